import assert from "node:assert/strict";
import { qemuArguments } from "./qemu.ts";

const options = {
  kernel: "/k",
  initramfs: "/i",
  memoryMiB: 1024,
  cpus: 2,
  root: "/",
  shares: ["/a,b"],
  disks: [
    { serial: "kept", path: "/d,e", writable: false, temporary: false },
    { serial: "gone", path: "/f", writable: true, temporary: true },
  ],
  ports: [{ name: "x.control", socket: "/s" }, { name: "x.stdin", socket: "/t" }],
};

Deno.test("a comma in a path does not begin another option of QEMU's", () => {
  assert.ok(qemuArguments(options).some((it) => it.includes("path=/a,,b,security_model")));
});

Deno.test("only the root is read-only, and each share has a tag of its own", () => {
  const fsdevs = qemuArguments(options).filter((it) => it.startsWith("local,"));
  assert.deepEqual(fsdevs.map((it) => it.includes("readonly=on")), [true, false]);
  const tags = qemuArguments(options).filter((it) => it.startsWith("virtio-9p-pci,"));
  assert.deepEqual(tags.map((it) => /mount_tag=(.*)/.exec(it)?.[1]), ["root", "share0"]);
});

Deno.test("without a root the lab sees no file of this machine", () => {
  const args = qemuArguments({ ...options, root: undefined, shares: [] });
  assert.deepEqual(args.filter((it) => /fsdev|9p/.test(it)), []);
});

Deno.test("a disk is found by its serial number, and only one that is writable is written to", () => {
  const args = qemuArguments(options);
  assert.deepEqual(args.filter((it) => it.startsWith("file=")), [
    "file=/d,,e,format=raw,if=none,id=disk0,readonly=on",
    "file=/dev/fd/4,format=raw,if=none,id=disk1,discard=unmap",
  ]);
  const serials = args.flatMap((it) => /^virtio-blk-pci,.*serial=(.*)$/.exec(it)?.[1] ?? []);
  assert.deepEqual(serials, ["kept", "gone"]);
});

Deno.test("ports have numbers above the console's, and the console only is there when asked for", () => {
  const numbers = (args: string[]) => args.flatMap((it) => /,nr=(\d+)$/.exec(it)?.[1] ?? []);
  assert.deepEqual(numbers(qemuArguments(options)), ["1", "2"]);
  assert.deepEqual(numbers(qemuArguments({ ...options, terminal: "/c" })), ["0", "1", "2"]);
});
