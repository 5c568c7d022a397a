import assert from "node:assert/strict";
import { ConfigOffset, encodeConfig, Feature, MAX_SEGMENT_SECTORS } from "./protocol.ts";
import { CONFIG_SIZE, HEADER_SIZE, ID_SIZE, RequestStatus, RequestType } from "./protocol.ts";
import { SEGMENT_SIZE, SEGMENT_UNMAP } from "./protocol.ts";

/** What the kernel's header calls what is named here. */
const FACTS: Readonly<Record<string, number>> = {
  VIRTIO_BLK_F_SEG_MAX: Feature.segMax,
  VIRTIO_BLK_F_RO: Feature.readOnly,
  VIRTIO_BLK_F_BLK_SIZE: Feature.blockSize,
  VIRTIO_BLK_F_FLUSH: Feature.flush,
  VIRTIO_BLK_F_TOPOLOGY: Feature.topology,
  VIRTIO_BLK_F_CONFIG_WCE: Feature.configWce,
  VIRTIO_BLK_F_MQ: Feature.multiQueue,
  VIRTIO_BLK_F_DISCARD: Feature.discard,
  VIRTIO_BLK_F_WRITE_ZEROES: Feature.writeZeroes,
  VIRTIO_BLK_T_IN: RequestType.in,
  VIRTIO_BLK_T_OUT: RequestType.out,
  VIRTIO_BLK_T_FLUSH: RequestType.flush,
  VIRTIO_BLK_T_GET_ID: RequestType.getId,
  VIRTIO_BLK_T_DISCARD: RequestType.discard,
  VIRTIO_BLK_T_WRITE_ZEROES: RequestType.writeZeroes,
  VIRTIO_BLK_S_OK: RequestStatus.ok,
  VIRTIO_BLK_S_IOERR: RequestStatus.ioError,
  VIRTIO_BLK_S_UNSUPP: RequestStatus.unsupported,
  VIRTIO_BLK_ID_BYTES: ID_SIZE,
  VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP: SEGMENT_UNMAP,
  "sizeof(struct virtio_blk_outhdr)": HEADER_SIZE,
  "offsetof(struct virtio_blk_outhdr, sector)": 8,
  "sizeof(struct virtio_blk_discard_write_zeroes)": SEGMENT_SIZE,
  "offsetof(struct virtio_blk_config, max_secure_erase_sectors)": CONFIG_SIZE,
};

/** The kernel's names of the configuration's fields. */
const FIELDS: Readonly<Record<keyof typeof ConfigOffset, string>> = {
  capacity: "capacity",
  segMax: "seg_max",
  blockSize: "blk_size",
  physicalBlockExponent: "physical_block_exp",
  minIoSize: "min_io_size",
  writeback: "wce",
  queueCount: "num_queues",
  maxDiscardSectors: "max_discard_sectors",
  maxDiscardSegments: "max_discard_seg",
  discardSectorAlignment: "discard_sector_alignment",
  maxWriteZeroesSectors: "max_write_zeroes_sectors",
  maxWriteZeroesSegments: "max_write_zeroes_seg",
  writeZeroesMayUnmap: "write_zeroes_may_unmap",
};

/** Runs a C program that sees the kernel's header. @returns its output */
async function runC(main: string): Promise<string> {
  const directory = await Deno.makeTempDir();
  try {
    const source = `#include <stddef.h>\n#include <stdio.h>\n#include <unistd.h>\n` +
      `#include <linux/virtio_blk.h>\nint main(void) {\n${main}\nreturn 0;\n}\n`;
    await Deno.writeTextFile(`${directory}/main.c`, source);
    const args = ["-o", `${directory}/main`, `${directory}/main.c`];
    const compiled = await new Deno.Command("gcc", { args }).output();
    assert(compiled.success, new TextDecoder().decode(compiled.stderr));
    const { stdout } = await new Deno.Command(`${directory}/main`).output();
    return new TextDecoder().decode(stdout);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("numbers and offsets are those of the kernel's header", async () => {
  const facts: Record<string, number> = { ...FACTS };
  for (const [name, offset] of Object.entries(ConfigOffset)) {
    const field = FIELDS[name as keyof typeof ConfigOffset];
    facts[`offsetof(struct virtio_blk_config, ${field})`] = offset;
  }
  const lines = Object.keys(facts).map((name) => `printf("%ld\\n", (long)(${name}));`);
  const output = (await runC(lines.join("\n"))).trim().split("\n").map(Number);
  assert.deepEqual(output, Object.values(facts));
});

Deno.test("the configuration reads in C as it was meant", async () => {
  const config = encodeConfig({
    capacity: 2 ** 41 + 4096,
    blockSize: 512,
    physicalBlockSize: 4096,
    writeback: true,
    queues: 3,
    discard: true,
  });
  const members = [...Object.values(FIELDS), "size_max", "alignment_offset", "opt_io_size"];
  const reads = members.map((name) => `printf("${name} %lld\\n", (long long)config.${name});`);
  const output = await runC(
    `struct virtio_blk_config config = *(struct virtio_blk_config *)(unsigned char[128]){${config}};` +
      reads.join("\n"),
  );
  const found = Object.fromEntries(
    output.trim().split("\n").map((line) => line.split(" ")).map(([name, value]) => [name, +value]),
  );
  assert.deepEqual(found, {
    capacity: 2 ** 32 + 8,
    size_max: 0,
    seg_max: 254,
    blk_size: 512,
    physical_block_exp: 3,
    alignment_offset: 0,
    min_io_size: 8,
    opt_io_size: 0,
    wce: 1,
    num_queues: 3,
    max_discard_sectors: MAX_SEGMENT_SECTORS,
    max_discard_seg: 32,
    discard_sector_alignment: 8,
    max_write_zeroes_sectors: MAX_SEGMENT_SECTORS,
    max_write_zeroes_seg: 1,
    write_zeroes_may_unmap: 1,
  });
});
