import assert from "node:assert/strict";
import fc from "fast-check";
import { findCommand } from "./command.ts";
import { RootfsError } from "./errors.ts";
import { kernelAsset } from "./kernels.ts";
import { modinfo, resolveModules } from "./modules.ts";

const ignore = findCommand("apt-get") === undefined;

Deno.test({
  name: "modules come after what they depend on, each once",
  ignore,
  fn: async () => {
    const { modulesDir } = await kernelAsset("generic");
    const modules = await resolveModules(modulesDir, ["kvm-amd", "virtio_mmio", "9pnet_virtio"]);
    const names = modules.map((module) => module.name);
    assert.equal(new Set(names).size, names.length);
    for (const module of modules) {
      const depends = modinfo(module.data, module.path).get("depends") ?? "";
      for (const dependency of depends.split(",").filter((name) => name !== "")) {
        const at = names.indexOf(dependency.replaceAll("-", "_"));
        assert.ok(at >= 0 && at < names.indexOf(module.name), `${dependency} of ${module.name}`);
      }
    }
    assert.ok(
      ["kvm", "irqbypass", "ccp", "virtio_ring", "9pnet"].every((it) => names.includes(it)),
    );
  },
});

Deno.test({
  name: "what is built into the kernel needs no module, and an unknown name is an error",
  ignore,
  fn: async () => {
    const { modulesDir } = await kernelAsset("cloud");
    assert.deepEqual(await resolveModules(modulesDir, ["8250"]), []);
    await assert.rejects(resolveModules(modulesDir, ["no-such"]), (error) => {
      assert.ok(error instanceof RootfsError);
      assert.match(error.message, /no kernel module no_such in /);
      return true;
    });
  },
});

Deno.test("whatever a file holds, reading its modinfo gives entries or a typed error", () => {
  const head = [0x7f, 0x45, 0x4c, 0x46, 2, 1];
  const small = { max: 200 };
  fc.assert(fc.property(
    fc.uint8Array({ minLength: 64, maxLength: 400 }),
    fc.nat(small),
    fc.nat(4),
    fc.nat(4),
    (bytes, table, count, names) => {
      const file = new Uint8Array(bytes);
      file.set(head);
      const view = new DataView(file.buffer);
      view.setBigUint64(40, BigInt(table), true);
      view.setUint16(60, count, true);
      view.setUint16(62, names, true);
      try {
        modinfo(file, "x.ko");
      } catch (error) {
        assert.ok(error instanceof RootfsError, String(error));
      }
    },
  ));
});
