import assert from "node:assert/strict";
import { join } from "node:path";
import { withFolder } from "../host/testing.ts";
import { findCommand, run, runText } from "./command.ts";
import { RootfsError } from "./errors.ts";
import { guestFiles, type GuestFilesConfig } from "./guest_files.ts";
import { kernelAsset, vmlinuxAsset } from "./kernels.ts";
import type { ProgressReport } from "./progress.ts";
import { readAsset } from "../parts/mod.ts";
import { areFetched, makeTar, writeFiles } from "./testing.ts";

const tools = (...names: string[]) => names.every((name) => findCommand(name) !== undefined);
const ignore = !tools("cpio") || !areFetched("kernel-cloud", "busybox");
const ext4 = tools("mkfs.ext4", "debugfs", "e2fsck", "resize2fs");

/** Found in the user's cache, also by tests that have a cache of their own. */
const KERNEL = ignore ? "host" : {
  path: await vmlinuxAsset("cloud"),
  modules: (await kernelAsset("cloud")).modulesDir,
};

/** A file of an initramfs, by cpio. */
async function fileOf(initrd: string, path: string): Promise<Uint8Array> {
  return await run(["cpio", "-i", "--to-stdout", "--quiet", path], {
    input: await Deno.readFile(initrd),
  });
}

async function textOf(initrd: string, path: string): Promise<string> {
  return new TextDecoder().decode(await fileOf(initrd, path));
}

Deno.test({
  name:
    "busybox is in memory with the agent, the modules in their order, and the files that were given",
  ignore,
  fn: async () => {
    await using files = await guestFiles({
      kernel: KERNEL,
      rootfs: { busybox: true, files: [{ path: "/etc/motd", type: "file", data: "hello" }] },
      modules: ["loop"],
      transport: "mmio",
      hostname: "tested",
    });
    assert.deepEqual(files.disks, []);
    assert.equal(files.entry, undefined);
    assert.deepEqual(await fileOf(files.initrd, "init"), readAsset("agent"));
    assert.equal(await textOf(files.initrd, "etc/motd"), "hello");
    assert.equal(await textOf(files.initrd, "lib/denovisor/config"), "hostname tested\n");
    const modules = (await textOf(files.initrd, "lib/denovisor/modules")).trim().split("\n");
    const names = modules.map((path) => path.replace("/lib/denovisor/modules.d/", ""));
    assert.ok(names.indexOf("virtio_ring.ko") < names.indexOf("virtio_mmio.ko"));
    assert.ok(["loop.ko", "vmw_vsock_virtio_transport.ko"].every((name) => names.includes(name)));
    const list = await runText(["cpio", "-t", "--quiet"], {
      input: await Deno.readFile(files.initrd),
    });
    const paths = list.split("\n");
    assert.ok(modules.every((path) => paths.includes(path.slice(1))));
    assert.ok(["bin/sh", "dev/console", "proc"].every((path) => paths.includes(path)));
    await using again = await guestFiles({
      kernel: KERNEL,
      rootfs: { busybox: true, files: [{ path: "etc/motd", type: "file", data: "hello" }] },
      modules: ["loop"],
      transport: "mmio",
      hostname: "tested",
    });
    assert.equal(again.initrd, files.initrd);
  },
});

Deno.test({
  name: "a folder in memory keeps its links, also where /lib is one, and files outrank it",
  ignore,
  fn: () =>
    withFolder(async (folder) => {
      await writeFiles(folder, { "usr/lib/x": "x", "etc/a": "old" });
      await Deno.symlink("usr/lib", join(folder, "lib"));
      const source = { folder, files: [{ path: "etc/a", type: "file", data: "new" } as const] };
      await using files = await guestFiles({ kernel: KERNEL, rootfs: source });
      assert.equal(await textOf(files.initrd, "etc/a"), "new");
      assert.match(await textOf(files.initrd, "usr/lib/denovisor/config"), /^hostname vm$/m);
      const init = [{ path: "init", type: "file", data: "" } as const];
      await assert.rejects(
        guestFiles({ kernel: KERNEL, rootfs: { files: init } }),
        /\/init is the agent's/,
      );
    }),
});

Deno.test({
  name: "a folder, a tar and an ext4 image are shared disks with memory over them, or only read",
  ignore: ignore || !ext4,
  fn: () =>
    withFolder(async (folder) => {
      const options = { folder: join(folder, "cache") };
      const tree = join(folder, "tree");
      await writeFiles(tree, { "etc/motd": "hello" });
      await Deno.writeFile(join(folder, "t.tar"), makeTar([{ path: "etc/motd", data: "hello" }]));
      const config = { kernel: KERNEL, transport: "pci" } as const;
      for (const rootfs of [tree, join(folder, "t.tar")]) {
        await using files = await guestFiles({ ...config, rootfs }, options);
        const [disk] = files.disks;
        assert.deepEqual({ ...disk, path: "" }, { path: "", ro: true, serial: "root" });
        assert.equal(await runText(["debugfs", "-R", "cat /etc/motd", disk.path]), "hello");
        const text = await textOf(files.initrd, "lib/denovisor/config");
        assert.equal(text, "root serial=root ext4 ro\noverlay\nhostname vm\n");
        await using same = await guestFiles(
          { ...config, rootfs: disk.path, readonly: true },
          options,
        );
        assert.equal(same.disks[0].path, disk.path);
        const plain = await textOf(same.initrd, "lib/denovisor/config");
        assert.equal(plain, "root serial=root ext4 ro\nhostname vm\n");
      }
      // A change shows, however small and quick.
      const before = await guestFiles({ ...config, rootfs: tree }, options);
      await Deno.writeTextFile(join(tree, "etc/motd"), "hallo");
      const after = await guestFiles({ ...config, rootfs: tree }, options);
      assert.notEqual(after.disks[0].path, before.disks[0].path);
      assert.equal(await runText(["debugfs", "-R", "cat /etc/motd", after.disks[0].path]), "hallo");
    }),
});

Deno.test({
  name: "a size is a private disk of that size, which goes with the files or with a killed process",
  ignore: ignore || !ext4,
  fn: () =>
    withFolder(async (folder) => {
      const options = { folder: join(folder, "cache") };
      const archive = join(folder, "t.tar");
      await Deno.writeFile(archive, makeTar([{ path: "etc/motd", data: "hello" }]));
      const config = { kernel: KERNEL, rootfs: archive, size: 1 << 30 };
      const disks = () =>
        [...Deno.readDirSync(options.folder)].filter((entry) => entry.name.startsWith("private-"));
      {
        await using one = await guestFiles(config, options);
        await using two = await guestFiles(config, options);
        assert.notEqual(one.disks[0].path, two.disks[0].path);
        assert.equal(one.disks[0].ro, false);
        assert.equal(disks().length, 2);
        const { size, blocks } = await Deno.stat(one.disks[0].path);
        assert.equal(size, 1 << 30);
        assert.ok(blocks! * 512 < 64 << 20, "it is sparse");
        await run(["e2fsck", "-fn", one.disks[0].path]);
        assert.match(
          await runText(["dumpe2fs", "-h", one.disks[0].path]),
          /^Block count: +262144$/m,
        );
        assert.match(
          await textOf(one.initrd, "lib/denovisor/config"),
          /^root serial=root ext4 rw$/m,
        );
      }
      assert.deepEqual(disks(), []);
      // As a killed process leaves it.
      await Deno.mkdir(join(options.folder, "private-disk-dead"));
      await using three = await guestFiles(config, options);
      assert.deepEqual(disks().map(({ name }) => join(options.folder, name)), [
        join(three.disks[0].path, ".."),
      ]);
      await assert.rejects(
        guestFiles({ ...config, size: 1 << 20 }, options),
        /a size of 1048576 bytes is too small/,
      );
      assert.equal(disks().length, 1);
    }),
});

for (
  const [what, config, problem] of [
    ["a size for a root in memory", { size: 1 << 30 }, /are a root disk's/],
    [
      "a size for a root that is only read",
      { rootfs: "/", size: 1, readonly: true },
      /no use for a size/,
    ],
    ["a size that is none", { rootfs: "/", size: 0.5 }, /a number of bytes, not 0\.5/],
    ["a name that is none", { hostname: "a\noverlay" }, /can't be the name of a host/],
    [
      "a root that isn't there",
      { kernel: KERNEL, rootfs: "/nonexistent" },
      /there is no such file/,
    ],
  ] satisfies [string, GuestFilesConfig, RegExp][]
) {
  Deno.test({
    name: `${what} is refused`,
    ignore,
    fn: () =>
      assert.rejects(guestFiles(config), (error) => {
        assert(error instanceof RootfsError, String(error));
        assert.match(error.message, problem);
        return true;
      }),
  });
}

Deno.test({
  name: "a file that is no archive is an error that says so",
  ignore,
  fn: () =>
    assert.rejects(
      guestFiles({ kernel: KERNEL, rootfs: import.meta.filename }),
      /is it a tar archive\?/,
    ),
});

Deno.test({
  name: "an image that was in use when its machine ended is refused, or repaired in a copy",
  ignore: ignore || !ext4,
  fn: () =>
    withFolder(async (folder) => {
      const image = join(folder, "image");
      await run(["mkfs.ext4", "-q", image, "32M"]);
      await run(["debugfs", "-w", "-R", "feature needs_recovery", image]);
      const options = { folder: join(folder, "cache") };
      const config = { kernel: KERNEL, rootfs: image };
      await assert.rejects(guestFiles(config, options), /e2fsck -fy .*image`, or give a size/);
      await using files = await guestFiles({ ...config, size: 64 << 20 }, options);
      const features = await runText(["dumpe2fs", "-h", files.disks[0].path]);
      assert.doesNotMatch(features, /needs_recovery/);
      await files[Symbol.asyncDispose]();
    }),
});

Deno.test({
  name: "a listener is told of what is built, from its beginning to its end",
  ignore: ignore || !ext4,
  fn: () =>
    withFolder(async (folder) => {
      const reports: ProgressReport[] = [];
      const archive = join(folder, "t.tar");
      await Deno.writeFile(archive, makeTar([{ path: "a", data: "hello" }]));
      const options = {
        folder: join(folder, "cache"),
        onProgress: (report: ProgressReport) => void reports.push(report),
      };
      await guestFiles({ kernel: KERNEL, rootfs: archive }, options);
      const labels = new Set(reports.map(({ label }) => label));
      assert.ok(labels.has(`writing ${archive} to a disk image`), `${[...labels]}`);
      for (const label of labels) {
        const own = reports.filter((report) => report.label === label);
        assert.deepEqual([own[0].done, own.at(-1)?.done], [false, true], label);
      }
    }),
});

Deno.test({
  name: "an aborted signal ends it with its reason",
  ignore,
  fn: () => {
    const signal = AbortSignal.abort(new Error("enough"));
    return assert.rejects(guestFiles({ kernel: KERNEL }, { signal }), /enough/);
  },
});
