import assert from "node:assert/strict";
import { join } from "node:path";
import { withFolder } from "../host/testing.ts";
import { RootfsError } from "./errors.ts";
import { guestKernel, kernelRelease } from "./guest_kernel.ts";
import { guestModules } from "./guest_modules.ts";
import { kernelAsset, vmlinuxAsset } from "./kernels.ts";
import { areFetched } from "./testing.ts";

const ignore = !areFetched("kernel-cloud", "kernel-generic");

/** A host whose own kernel is Debian's. */
async function withHost(body: (folder: string, host: Host) => Promise<void>): Promise<void> {
  const kernel = await kernelAsset("cloud");
  await withFolder(async (folder) => {
    const host = {
      boot: join(folder, "boot"),
      modules: join(folder, "modules"),
      release: kernel.version,
    };
    for (const place of [host.boot, host.modules]) await Deno.mkdir(place);
    await Deno.copyFile(kernel.vmlinuz, join(host.boot, `vmlinuz-${kernel.version}`));
    await Deno.symlink(kernel.modulesDir, join(host.modules, kernel.version));
    await body(folder, host);
  });
}

type Host = NonNullable<Parameters<typeof guestKernel>[2]>;

Deno.test({
  name: "the host's own kernel is found with its modules, and unpacked once",
  ignore,
  fn: () =>
    withHost(async (folder, host) => {
      const options = { folder: join(folder, "cache") };
      const found = await guestKernel("host", options, host);
      assert.deepEqual(
        await Deno.readFile(found.vmlinux),
        await Deno.readFile(await vmlinuxAsset("cloud")),
      );
      assert.equal(found.release, host.release);
      assert.equal(found.modulesDir, join(host.modules, host.release));
      assert.deepEqual(await guestKernel(undefined, options, host), found);
      const path = join(host.boot, `vmlinuz-${host.release}`);
      assert.deepEqual(await guestKernel(path, options, host), found);
      assert.deepEqual(await guestKernel({ path, modules: host.boot }, options, host), {
        ...found,
        modulesDir: host.boot,
      });
      // An ELF image is taken as it is, and tells its release too.
      const elf = await guestKernel(found.vmlinux, options, host);
      assert.deepEqual(elf, found);
    }),
});

Deno.test({
  name:
    "where the host's kernel can't be read, Debian's is taken, and who wants the host's is told",
  ignore,
  fn: async () => {
    const host = { boot: "/nonexistent", modules: "/nonexistent", release: "1.2.3" };
    const { version, modulesDir } = await kernelAsset("cloud");
    const found = await guestKernel(undefined, {}, host);
    assert.deepEqual([found.release, found.modulesDir], [version, modulesDir]);
    await assert.rejects(guestKernel("host", {}, host), (error) => {
      assert(error instanceof RootfsError);
      assert.match(
        error.message,
        /vmlinuz-1\.2\.3, can't be read; give the path of one, or \{ debian/,
      );
      return true;
    });
    await assert.rejects(
      guestKernel("/nonexistent", {}, host),
      /the kernel \/nonexistent can't be read/,
    );
  },
});

Deno.test("what names no release gives none", () => {
  const banner = (text: string) =>
    kernelRelease(new TextEncoder().encode(`junk\0${text}\0`.padEnd(600)));
  assert.equal(banner("Linux version 6.1.0-13-amd64 (debian"), "6.1.0-13-amd64");
  assert.equal(banner("Linux version ../../etc (x"), undefined);
  assert.equal(banner("Linux version %s (%s)"), undefined);
  assert.equal(kernelRelease(new Uint8Array(10)), undefined);
});

Deno.test({
  name: "a guest gets the modules of its transport and devices, and a kernel without any gets none",
  ignore,
  fn: async () => {
    // Debian's "cloud" has ext4 built in.
    const { modulesDir } = await kernelAsset("generic");
    const kernel = { vmlinux: "/vmlinux", release: "x", modulesDir };
    const names = async (needs: Parameters<typeof guestModules>[1]) =>
      (await guestModules(kernel, needs)).map(({ name }) => name);
    const all = ["disk", "net", "vsock", "rng", "balloon", "console"] as const;
    const pci = await names({ transport: "pci", devices: all, ext4: true, overlay: true });
    for (
      const name of [
        ...["virtio_pci", "virtio_blk", "virtio_net", "vmw_vsock_virtio_transport", "virtio_rng"],
        ...["virtio_balloon", "virtio_console", "ext4", "jbd2", "crc32c_generic", "overlay"],
      ]
    ) assert.ok(pci.includes(name), name);
    assert.ok(!pci.includes("virtio_mmio"));
    const mmio = await names({ transport: "mmio", devices: [] });
    assert.ok(mmio.includes("virtio_mmio") && !mmio.includes("virtio_blk"));
    const announced = names({ transport: "mmio-cmdline", devices: [] });
    await assert.rejects(announced, /use the transport "mmio" or "pci"/);
    const none = { ...kernel, modulesDir: undefined };
    assert.deepEqual(await guestModules(none, { transport: "pci", devices: all }), []);
    const asked = guestModules(none, { transport: "pci", devices: [], modules: ["loop"] });
    await assert.rejects(asked, /give the folder as kernel/);
  },
});
