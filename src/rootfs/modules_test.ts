import assert from "node:assert/strict";
import { basename, dirname, join, relative } from "node:path";
import fc from "fast-check";
import { withFolder } from "../host/testing.ts";
import { findCommand, run, runText } from "./command.ts";
import { RootfsError } from "./errors.ts";
import { kernelAsset } from "./kernels.ts";
import { modinfo, resolveModules } from "./modules.ts";
import { areFetched } from "./testing.ts";

const ignore = !areFetched("kernel-cloud", "kernel-generic");

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

/** A modules folder where kmod looks for it, made by depmod; with the modules compressed if that is asked for. */
async function installed(folder: string, names: string[], suffix?: "xz" | "zst" | "gz") {
  const { modulesDir, version } = await kernelAsset("cloud");
  const release = join(folder, "lib/modules", version);
  await Deno.mkdir(release, { recursive: true });
  for (const list of ["modules.order", "modules.builtin", "modules.builtin.modinfo"]) {
    await Deno.copyFile(join(modulesDir, list), join(release, list));
  }
  for (const { path, data } of await resolveModules(modulesDir, names)) {
    const file = join(release, relative(modulesDir, path));
    await Deno.mkdir(dirname(file), { recursive: true });
    await Deno.writeFile(file, data);
    if (suffix === undefined) continue;
    const program = { xz: ["xz", "-q"], zst: ["zstd", "-q", "--rm"], gz: ["gzip"] }[suffix];
    await run([...program as [string], file]);
  }
  // A Debian that is not merged has its modules in /lib.
  if (suffix !== "gz") await run(["depmod", "-b", folder, version]);
  return { release, version };
}

for (const suffix of [undefined, "xz", "zst", "gz"] as const) {
  const compressor = { xz: "xz", zst: "zstd", gz: "gzip", none: "sh" }[suffix ?? "none"];
  Deno.test({
    name: `${suffix ?? "plain"} modules are found, and ordered as modprobe would load them`,
    ignore: ignore ||
      ["depmod", "modprobe", compressor].some((it) => findCommand(it) === undefined),
    fn: () =>
      withFolder(async (folder) => {
        const names = ["virtio_pci", "virtio_net", "vmw_vsock_virtio_transport", "overlay"];
        const { release, version } = await installed(folder, names, suffix);
        const plain = await resolveModules((await kernelAsset("cloud")).modulesDir, names);
        const found = await resolveModules(release, names);
        assert.deepEqual(
          found.map(({ name, data }) => [name, data.length]),
          plain.map(({ name, data }) => [name, data.length]),
        );
        // Debian's kmod can't read gzip, and so neither lists nor loads such modules.
        for (const name of suffix === "gz" ? [] : names) {
          const text = await runText([
            "modprobe",
            "-d",
            folder,
            "-S",
            version,
            "--show-depends",
            name,
          ]);
          const wanted = text.trim().split("\n").filter((line) => line.startsWith("insmod "))
            .map((line) =>
              basename(line.split(" ")[1]).replace(/\.ko.*$/, "").replaceAll("-", "_")
            );
          const own = (await resolveModules(release, [name])).map((module) => module.name);
          // Which of two that don't need each other comes first is nobody's matter; crc32c is a soft dependency.
          const hard = wanted.filter((it) => !it.startsWith("crc32c"));
          assert.deepEqual(own.toSorted(), hard.toSorted(), name);
          assert.equal(own.at(-1), name);
        }
      }),
  });
}

Deno.test({
  name: "an optional module may be missing, and one that another needs may not",
  ignore,
  fn: async () => {
    const { modulesDir } = await kernelAsset("cloud");
    assert.deepEqual(await resolveModules(modulesDir, ["no-such"], { optional: ["no_such"] }), []);
    const both = { optional: ["no-such"] };
    await assert.rejects(
      resolveModules(modulesDir, ["no-such", "other"], both),
      /no kernel module other/,
    );
    await assert.rejects(
      resolveModules("/nonexistent", ["a"]),
      /neither modules\.dep nor modules\.order/,
    );
  },
});
