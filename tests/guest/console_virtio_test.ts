/**
 * Stock kernels on virtio consoles: a terminal, and named ports with each kind of end on the host.
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { Machine } from "../../mod.ts";
import { Transcript } from "../../src/guest/transcript.ts";
import { buildInitramfs, kernelAsset } from "../assets/mod.ts";
import { spawnDenovisor } from "../cli/process.ts";
import { bootGuest, guestTest } from "./boot.ts";
import { PORT_SCRIPT, writtenBytes } from "./ports.ts";
import { deviceLog, LINUX, sh } from "./shell.ts";

const TRANSPORTS = ["pci", "mmio"] as const;
const MODULES = ["virtio_pci", "virtio_mmio", "virtio_console"];

/** How much is typed at the terminal. */
const TYPED = 64 << 10;
/** How much goes through a port, each way. */
const PORT_BYTES = 1 << 20;

const encoder = new TextEncoder();

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes of every value, no two kibibytes alike. */
function pattern(length: number, salt: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => Math.imul(i + salt, 0x9e3779b1) >>> 24);
}

/**
 * `sized SIZE` waits until a terminal has a size, which comes to it with an interrupt, and prints the terminal's
 * name: a device that is bound anew may get another number, and those that no device has can't be opened.
 */
const TERMINAL = `
sized() {
  tries=100
  while [ $tries -gt 0 ]; do
    for tty in /dev/hvc*; do
      [ "$( (stty size < $tty) 2> /dev/null )" = "$1" ] && echo $tty && return
    done
    tries=$((tries - 1))
    sleep 0.05
  done
  return 1
}
exec < /dev/hvc0 > /dev/hvc0 2>&1
stty raw -echo
sized "25 80" || exit 3
echo ready
sized "40 132" || exit 4
echo resized
head -c ${TYPED} | sha256sum
exec < /dev/null > /dev/ttyS0 2>&1
cd /sys/bus/virtio/drivers/virtio_console
device=$(ls | grep '^virtio[0-9]')
for i in 1 2 3 4 5 6 7 8 9 10; do
  echo $device > unbind || exit 5
  echo $device > bind || exit 6
  tty=$(sized "40 132") || exit 7
  echo bound $i > $tty
done
`;

for (const transport of TRANSPORTS) {
  guestTest(
    `hvc0 on ${transport} is as large as the terminal, takes 64 KiB whole, and outlives its driver`,
    async () => {
      const typed = pattern(TYPED, 7);
      let [isSized, isTyped] = [false, false];
      const { end, text } = await bootGuest({
        transport,
        console: "virtio",
        cmdline: "console=ttyS0 panic=-1 quiet",
        guest: { modules: MODULES, command: TERMINAL },
        onOutput: (text, machine) => {
          if (!isSized && text.includes("ready\n")) {
            isSized = true;
            machine.console.resize(132, 40);
          }
          if (!isTyped && text.includes("resized\n")) {
            isTyped = true;
            machine.console.write(typed);
          }
        },
      });
      assert.deepEqual(end, { kind: "exit", status: 0 }, text);
      assert(text.includes(sha256(typed)), text);
      const bound = [...text.matchAll(/^bound (\d+)$/gm)].map(([, round]) => Number(round));
      assert.deepEqual(bound, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], text);
    },
  );
}

/** Sends all bytes and takes as many, at the same time. */
async function exchange(
  end: {
    write(bytes: Uint8Array): Promise<number>;
    read(into: Uint8Array): Promise<number | null>;
  },
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array> {
  const got = new Uint8Array(PORT_BYTES);
  const write = async () => {
    for (let at = 0; at < bytes.length;) at += await end.write(bytes.subarray(at));
  };
  const read = async () => {
    for (let at = 0; at < got.length;) {
      const count = await end.read(got.subarray(at));
      assert(count !== null, `the port ended after ${at} bytes`);
      at += count;
    }
  };
  await Promise.all([write(), read()]);
  return got;
}

for (const transport of ["pci", "mmio"] as const) {
  guestTest(
    `named ports on ${transport} carry 1 MiB each way to a socket and a pseudo-terminal, and to a file`,
    async () => {
      const folder = await Deno.makeTempDir();
      try {
        const [file, uds, pty] = ["file", "uds", "pty"].map((name) => join(folder, name));
        await Deno.writeTextFile(file, "before\n");
        await using vm = await Machine.start({
          ...LINUX,
          rootfs: { busybox: true, files: [PORT_SCRIPT] },
          transport,
          ports: [
            { name: "org.example.file", file },
            { name: "org.example.uds", uds },
            { name: "org.example.pty", pty },
          ],
        });
        const { guest } = vm;
        const log = deviceLog(vm);
        const sent = pattern(PORT_BYTES, 3);
        await guest.writeFile("/tmp/out", sent);
        const digest = sha256(sent);

        await sh(guest, "cat /tmp/out > $(port org.example.file)");
        const written = await writtenBytes(file, 7 + PORT_BYTES);
        assert.equal(new TextDecoder().decode(written.subarray(0, 7)), "before\n");
        assert.equal(sha256(written.subarray(7)), digest);

        const both = (name: string) =>
          `( exec 3<> $(port ${name}); cat /tmp/out >&3 & head -c ${PORT_BYTES} <&3 | sha256sum; wait )`;
        using client = await Deno.connect({ transport: "unix", path: uds });
        using terminal = await Deno.open(pty, { read: true, write: true });
        for (const [name, end, salt] of [["uds", client, 1], ["pty", terminal, 2]] as const) {
          const bytes = pattern(PORT_BYTES, salt);
          const [received, heard] = await Promise.all([
            exchange(end, bytes),
            sh(guest, both(`org.example.${name}`), "2m"),
          ]);
          assert.equal(sha256(received), digest, name);
          assert.match(heard, new RegExp(`^${sha256(bytes)} `), name);
        }
        assert.deepEqual(log, []);

        // A line now, after all those bytes: none is left over in the terminal.
        await terminal.write(encoder.encode("last\n"));
        assert.equal(await sh(guest, "head -n 1 $(port org.example.pty)"), "last");
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  );
}

/** How many lines a guest prints to standard output, more than pipes hold. */
const LINES = 20_000;
/** In the lab a start and a boot take seconds. */
const BOOT_SECONDS = 120;

guestTest(
  "a port on standard input and output, where nobody types, holds up no device beside it",
  async () => {
    const folder = await Deno.makeTempDir();
    const kernel = await kernelAsset("cloud");
    const initrd = await buildInitramfs({
      kernel,
      modules: [...MODULES, "virtio_rng"],
      files: [PORT_SCRIPT],
      command: `
        exec 3<> $(port talk) || exit 3
        # It reads, while the device of the other driver is asked.
        ( read -r line <&3; echo "heard $line" >&3 ) &
        sleep 1
        echo "random $(head -c 4096 /dev/hwrng | wc -c)" >&3
        wait
        seq ${LINES} >&3
        # What it has written, it has not seen go out.
        read -r line <&3; [ "$line" = bye ]`,
    });
    const serial = join(folder, "serial");
    const child = spawnDenovisor([
      ...["run", kernel.vmlinuz, "--initrd", initrd, "--console", `serial,file:${serial}`],
      ...["--cmdline", "console=ttyS0 panic=-1 quiet", "--rng", "--port", "talk,stdio"],
    ]);
    const messages = new Response(child.stderr).text();
    const keyboard = child.stdin.getWriter();
    const transcript = new Transcript(child.stdout, () => Deno.readTextFileSync(serial));
    try {
      await transcript.wait(/^random 4096\n/, BOOT_SECONDS, "random bytes");
      await keyboard.write(encoder.encode("a line\n"));
      await transcript.wait(/^heard a line\n/, BOOT_SECONDS, "an answer");
      await transcript.wait(new RegExp(`^${LINES}\n`, "m"), BOOT_SECONDS, "all lines");
      await keyboard.write(encoder.encode("bye\n"));
      await transcript.ended;
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    } finally {
      await keyboard.close().catch(() => {}); // The program, which reads it, may have ended.
      await child.status;
      await Deno.remove(folder, { recursive: true });
    }
    assert.equal((await child.status).code, 0, await messages);
    const lines = Array.from({ length: LINES }, (_, i) => `${i + 1}\n`).join("");
    assert.equal(transcript.text, `random 4096\nheard a line\n${lines}`);
  },
);
