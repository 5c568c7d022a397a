/**
 * Root file systems of every kind, booted: the agent mounts them, and commands run in them.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { runText } from "../../src/rootfs/command.ts";
import { baseEntries } from "../../src/rootfs/mod.ts";
import { vmTest } from "../../src/vm/test.ts";
import { debianOciArchive } from "../assets/mod.ts";
import { runsStockKernels } from "./boot.ts";

/** What all have in common. */
const LINUX = { kernel: { debian: "cloud" }, memory: "256M" } as const;

/** A folder with busybox and a release, its tar and, where guests can be run at all, Debian's OCI image. */
const scratch = await Deno.makeTempDir({ prefix: "denovisor-rootfs-" });
addEventListener("unload", () => Deno.removeSync(scratch, { recursive: true }));
const folder = join(scratch, "folder");
const archive = join(scratch, "root.tar.gz");
const image = await makeSources();

async function makeSources(): Promise<string> {
  if (!runsStockKernels) return "/nonexistent";
  await Deno.mkdir(folder);
  for (const entry of await baseEntries()) {
    const path = join(folder, entry.path);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    if (entry.type === "file") await Deno.writeFile(path, bytesOf(entry.data), { mode: 0o755 });
    else if (entry.type === "symlink") await Deno.symlink(entry.target, path);
  }
  await Deno.mkdir(join(folder, "etc"));
  await Deno.writeTextFile(join(folder, "etc/os-release"), "NAME=folder\n");
  await runText(["tar", "-czf", archive, "-C", folder, "."]);
  return await debianOciArchive();
}

function bytesOf(data: Uint8Array | string): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}

vmTest("a root of busybox is in memory, with the files that it is given", {
  ...LINUX,
  rootfs: { busybox: true, files: [{ path: "etc/motd", type: "file", data: "hello\n" }] },
}, async ({ guest }) => {
  const { stdoutText } = await guest.exec([
    "sh",
    "-c",
    "cat /etc/motd; grep -c /dev/vda /proc/mounts",
  ]);
  assert.equal(stdoutText, "hello\n0\n");
});

vmTest("a folder is a disk that the guest reads, with memory over it", {
  ...LINUX,
  rootfs: folder,
}, async ({ guest }) => {
  assert.equal((await guest.exec(["cat", "/etc/os-release"])).stdoutText, "NAME=folder\n");
  assert.equal((await guest.exec(["sh", "-c", "echo changed > /etc/os-release"])).code, 0);
  assert.equal((await guest.exec(["cat", "/etc/os-release"])).stdoutText, "changed\n");
  const { stdoutText } = await guest.exec(["cat", "/sys/block/vda/ro", "/proc/mounts"]);
  assert.match(stdoutText, /^1\n/);
  assert.match(stdoutText, /^overlay \/ overlay rw/m);
});

vmTest("what another guest wrote is not in the folder's disk", {
  ...LINUX,
  transport: "mmio",
  rootfs: folder,
}, async ({ guest }) => {
  assert.equal((await guest.exec(["cat", "/etc/os-release"])).stdoutText, "NAME=folder\n");
});

vmTest("a tar with a size is a private disk of that size", {
  ...LINUX,
  rootfs: archive,
  rootSize: "1G",
}, async ({ guest }) => {
  assert.equal((await guest.exec(["cat", "/etc/os-release"])).stdoutText, "NAME=folder\n");
  assert.equal((await guest.exec(["sh", "-c", "echo x > /new && sync"])).code, 0);
  const { stdoutText } = await guest.exec(["sh", "-c", "df -m / | tail -1; cat /proc/mounts"]);
  assert.match(stdoutText, /^\/dev\/(vda|root) +(9[0-9]{2}|10[0-9]{2}) /);
  assert.match(stdoutText, /^\/dev\/vda \/ ext4 rw/m);
});

vmTest("a root that is only read refuses writes", {
  ...LINUX,
  rootfs: archive,
  rootReadonly: true,
}, async ({ guest }) => {
  const { code, stderrText } = await guest.exec(["touch", "/new"]);
  assert.equal(code, 1);
  assert.match(stderrText, /Read-only file system/);
});

vmTest("an OCI image of Debian boots, and its entrypoint runs as it says", {
  ...LINUX,
  rootfs: image,
}, async (vm) => {
  await using entry = await vm.spawnEntry();
  const output = await new Response(entry.stdout).text();
  assert.match(
    output,
    /^hello from Debian GNU\/Linux 12 \(bookworm\) 12! nobody:nogroup \/usr\/share\n$/,
  );
  assert.equal((await entry.status).code, 0);
  const { stdoutText } = await vm.guest.exec(["cat", "/etc/os-release"]);
  assert.match(stdoutText, /^ID=debian$/m);
  assert.equal((await vm.guest.exec(["test", "-e", "/etc/debian_version"])).code, 1);
});
