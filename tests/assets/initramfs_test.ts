/**
 * Tests of the guests' initramfs: unpacked by busybox's own cpio, and booted under QEMU, whose
 * debug exit device ends QEMU with twice the status plus one.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { cpioArchive, type CpioEntry } from "../../loader/cpio.ts";
import { busyboxAsset } from "../../src/rootfs/busybox.ts";
import { findCommand, run, runText } from "../../src/rootfs/command.ts";
import { buildInitramfs, type InitramfsOptions } from "./initramfs.ts";
import { kernelAsset, type KernelFlavour, vmlinuxAsset } from "../../src/rootfs/kernels.ts";

const ignore = findCommand("apt-get") === undefined;
const QEMU = "qemu-system-x86_64";
const ignoreBoot = ignore || findCommand(QEMU) === undefined;

Deno.test({
  name: "busybox's cpio unpacks what our writer packs",
  ignore: ignore || Deno.uid() !== 0,
  fn: async () => {
    const busybox = await busyboxAsset();
    const folder = await Deno.makeTempDir();
    const random = crypto.getRandomValues(new Uint8Array(10_001));
    const entries: CpioEntry[] = [
      { path: "a/file", type: "file", mode: 0o640, uid: 12, gid: 34, data: random },
      { path: "a/empty", type: "file", data: "" },
      { path: "a/ü", type: "symlink", target: "file" },
      { path: "null", type: "character-device", major: 1, minor: 3 },
      { path: "loop", type: "block-device", major: 7, minor: 300 },
      { path: "pipe", type: "fifo" },
      { path: "tmp", type: "directory", mode: 0o1777 },
    ];
    try {
      await run([busybox, "cpio", "-id", "--quiet"], { cwd: folder, input: cpioArchive(entries) });
      const listing = await runText(["find", ".", "-printf", "%P %M %U:%G %l\n"], {
        cwd: folder,
      });
      assert.deepEqual(listing.replaceAll(/ \n/g, "\n").trim().split("\n").slice(1).sort(), [
        "a drwxr-xr-x 0:0",
        "a/empty -rw-r--r-- 0:0",
        "a/file -rw-r----- 12:34",
        "a/ü lrwxrwxrwx 0:0 file",
        "loop brw------- 0:0",
        "null crw------- 0:0",
        "pipe prw------- 0:0",
        "tmp drwxrwxrwt 0:0",
      ]);
      assert.deepEqual(await Deno.readFile(join(folder, "a/file")), random);
      const device = await Deno.stat(join(folder, "loop"));
      assert.equal(device.rdev, 0x10072c, "major 7, minor 300");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "the same options give the same initramfs, others another",
  ignore,
  fn: async () => {
    const path = await buildInitramfs({ command: "true" });
    const { mtime } = await Deno.stat(path);
    assert.equal(await buildInitramfs({ command: "true" }), path);
    assert.deepEqual((await Deno.stat(path)).mtime, mtime);
    assert.notEqual(await buildInitramfs({ command: "false" }), path);
  },
});

Deno.test("modules without a kernel to take them from are refused", async () => {
  await assert.rejects(buildInitramfs({ modules: ["loop"] }), TypeError);
});

/** Boots a stock kernel under QEMU; gives the console's text and QEMU's exit status. */
async function boot(flavour: KernelFlavour, options: InitramfsOptions, input = "") {
  const kernel = await kernelAsset(flavour);
  const child = new Deno.Command(QEMU, {
    args: [
      ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
      ...["-accel", "tcg", "-cpu", "max", "-m", "256", "-serial", "stdio"],
      ...["-device", "isa-debug-exit,iobase=0xf4,iosize=1"],
      ...["-kernel", await vmlinuxAsset(flavour)],
      ...["-initrd", await buildInitramfs({ kernel, ...options })],
      ...["-append", "console=ttyS0 quiet panic=-1 no_timer_check"],
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(60_000),
  }).spawn();
  const writer = child.stdin.getWriter();
  let console = "";
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      console += text;
      if (input !== "" && console.includes("ready\r\n")) {
        await writer.write(new TextEncoder().encode(input));
        input = "";
      }
    }
  })();
  const [{ code }, stderr] = await Promise.all([
    child.status,
    new Response(child.stderr).text(),
    reading,
  ]);
  await writer.close().catch(() => {}); // QEMU has ended; its end of the pipe may be gone
  return { console: console.replaceAll("\r\n", "\n"), code, stderr };
}

for (const flavour of ["cloud", "generic"] as const) {
  Deno.test({
    name: `a ${flavour} guest loads modules, has its files, and its command's status comes out`,
    ignore: ignoreBoot,
    fn: async () => {
      const { console, code, stderr } = await boot(flavour, {
        modules: ["kvm-amd"],
        files: [{ path: "etc/motd", type: "file", data: "hello from a file\n" }],
        command: "cat /etc/motd; lsmod | cut -d ' ' -f 1; test -c /dev/null && exit 42",
      });
      assert.match(console, /hello from a file\n/, stderr);
      assert.match(console, /kvm_amd\n/);
      assert.equal(code, 42 * 2 + 1, console);
    },
  });
}

Deno.test({
  name: "a guest's shell has a terminal and reads the console, and the guest powers off after it",
  ignore: ignoreBoot,
  fn: async () => {
    const { console, code } = await boot(
      "cloud",
      { command: "echo ready; exec sh", terminal: true, end: "power-off" },
      "tty; echo $((6 * 7)); exit\n",
    );
    assert.match(console, /\/dev\/ttyS0\n/);
    assert.match(console, /^42$/m);
    assert.equal(code, 0);
  },
});

Deno.test({
  name: "a guest that is to panic does",
  ignore: ignoreBoot,
  fn: async () => {
    const { console } = await boot("cloud", { command: "echo bye", end: "panic" });
    assert.match(console, /bye\n(.*\n)*.*Kernel panic - not syncing: Attempted to kill init!/);
  },
});
