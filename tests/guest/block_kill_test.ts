/**
 * What a stock kernel's program was told is on its disk is there, though the monitor was killed the next moment.
 *
 * The same with more kills, faster writers and all cache modes is in tests/direct.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { buildInitramfs, kernelAsset, vmlinuxAsset } from "../assets/mod.ts";
import { spawnDenovisor } from "../cli/process.ts";
import { emptyImage } from "./block_images.ts";
import { guestTest } from "./boot.ts";

const RECORD_SIZE = 4096;
const DISK_SIZE = 64 << 20;
/** So many are written before the monitor may be killed. */
const AT_LEAST = 10;
/** And then it lives for less than this. */
const LIFE_MS = 1500;
/** In the lab a boot takes seconds. */
const PATIENCE_MS = 180_000;

/** Writes one record after another; each is flushed before it is told of. */
const WRITER = `i=0
while :; do
  echo "record $i of $SALT" |
    dd of=/dev/vda bs=${RECORD_SIZE} seek=$i conv=sync,fsync,notrunc 2> /dev/null || exit 1
  echo "done=$i"
  i=$((i + 1))
done`;

interface Life {
  readonly transport: "pci" | "mmio";
  /** What is behind the disk's path. */
  readonly options: string;
}

const LIVES: readonly Life[] = [
  { transport: "pci", options: "" },
  { transport: "mmio", options: ",packed" },
  { transport: "pci", options: ",packed,cache=writethrough" },
];

/** Runs a machine until it is killed. @returns the records that the guest believes to be written */
async function live(image: string, { transport, options }: Life, salt: number): Promise<number[]> {
  const kernel = await kernelAsset("cloud");
  const initrd = await buildInitramfs({
    kernel,
    modules: ["virtio_pci", "virtio_mmio", "virtio_blk"],
    command: `SALT=${salt}\n${WRITER}`,
  });
  const child = spawnDenovisor([
    ...["run", await vmlinuxAsset("cloud"), "--initrd", initrd, "--transport", transport],
    ...["--cmdline", "console=ttyS0 panic=-1 quiet", "--disk", image + options],
  ]);
  const errors = new Response(child.stderr).text();
  const kill = () => child.kill("SIGKILL");
  let timer = setTimeout(kill, PATIENCE_MS);
  let waiting = true;
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    text += decoder.decode(chunk, { stream: true }).replaceAll("\r", "");
    if (!waiting || !text.includes(`done=${AT_LEAST}\n`)) continue;
    waiting = false;
    clearTimeout(timer);
    timer = setTimeout(kill, Math.random() * LIFE_MS);
  }
  clearTimeout(timer);
  await child.stdin.close();
  const { signal } = await child.status;
  assert.equal(signal, "SIGKILL", `${text.slice(-500)}\n${await errors}`);
  assert(!waiting, `it was too slow: ${text.slice(-500)}\n${await errors}`);
  // The last line may have been cut off.
  return [...text.matchAll(/^done=(\d+)\n/gm)].map(([, record]) => Number(record));
}

guestTest(
  `what was synced is on the disk when the monitor is killed, ${LIVES.length} times`,
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "denovisor-kill-" });
    try {
      // A killed monitor leaves nothing that keeps the next from the same disk.
      const image = await emptyImage(join(folder, "disk.img"), DISK_SIZE);
      for (const [salt, life] of LIVES.entries()) {
        const records = await live(image, life, salt);
        assert.deepEqual(records, records.map((_, index) => index));
        const bytes = await Deno.readFile(image);
        for (const record of records) {
          const found = bytes.subarray(record * RECORD_SIZE, (record + 1) * RECORD_SIZE);
          const expected = new Uint8Array(RECORD_SIZE);
          new TextEncoder().encodeInto(`record ${record} of ${salt}\n`, expected);
          assert.deepEqual(found, expected, `record ${record} of ${records.length}`);
        }
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);
