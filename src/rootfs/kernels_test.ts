/**
 * Tests of what was fetched of Debian's packages.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { busyboxAsset } from "./busybox.ts";
import { runText } from "./command.ts";
import { extractVmlinux, kernelAsset, type KernelFlavour, vmlinuxAsset } from "./kernels.ts";
import { areFetched } from "./testing.ts";

const FLAVOURS: KernelFlavour[] = ["cloud", "generic"];

for (const flavour of FLAVOURS) {
  Deno.test({
    name: `Debian's ${flavour} kernel is there with its modules and configuration`,
    ignore: !areFetched(`kernel-${flavour}`),
    fn: async () => {
      const kernel = await kernelAsset(flavour);
      const config = await Deno.readTextFile(kernel.config);
      assert.match(config, /^CONFIG_PVH=y$/m);
      const image = await Deno.readFile(kernel.vmlinuz);
      assert.equal(new TextDecoder().decode(image.subarray(0x202, 0x206)), "HdrS");
      // kernel_version: where the string that begins with the release is, less 0x200.
      const at = 0x200 + new DataView(image.buffer).getUint16(0x20e, true);
      const release = new TextDecoder().decode(image.subarray(at, at + kernel.version.length));
      assert.equal(release, kernel.version);
      assert.ok((await Deno.stat(join(kernel.modulesDir, "kernel"))).isDirectory);
    },
  });

  Deno.test({
    name: `the vmlinux in Debian's ${flavour} kernel is an x86-64 ELF executable`,
    ignore: !areFetched(`kernel-${flavour}`),
    fn: async () => {
      const image = await Deno.readFile(await vmlinuxAsset(flavour));
      const view = new DataView(image.buffer);
      assert.equal(view.getUint32(0), 0x7f454c46);
      assert.equal(view.getUint16(16, true), 2, "ET_EXEC");
      assert.equal(view.getUint16(18, true), 62, "EM_X86_64");
    },
  });
}

Deno.test({
  name: "a bzImage whose payload is damaged is an error, not a wrong image",
  ignore: !areFetched("kernel-cloud"),
  fn: async () => {
    const image = await Deno.readFile((await kernelAsset("cloud")).vmlinuz);
    image.fill(0, image.length / 2, image.length / 2 + 4096);
    await assert.rejects(extractVmlinux(image), { name: /CommandError|RootfsError/ });
  },
});

Deno.test({
  name: "busybox runs without any library",
  ignore: !areFetched("busybox"),
  fn: async () => {
    const busybox = await busyboxAsset();
    assert.equal(await runText([busybox, "echo", "hello"]), "hello\n");
    const program = await Deno.readFile(busybox);
    assert.ok(!new TextDecoder("latin1").decode(program).includes("/lib64/ld-linux"));
  },
});
