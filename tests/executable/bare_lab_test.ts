/**
 * The executable where there is nothing but what it is linked with: alone in the root of a lab that has a KVM as on
 * hardware. What runs outside of that root is described in tests/lab/bare.ts.
 * @module
 */
import assert from "node:assert/strict";
import type { CpioEntry } from "../../loader/cpio.ts";
import { buildInitramfs, kernelAsset } from "../assets/mod.ts";
import { inBareLab } from "../lab/bare.ts";
import { bareRootEntries, PROGRAM_PATH, sharedLibraries } from "./bare_root.ts";
import { executable, executableTest } from "./host.ts";

/** Libraries of glibc (Debian's libc6), and of the compiler's runtime (libgcc-s1): every distribution with glibc has them. */
const GLIBC =
  /^(?:ld-linux-x86-64\.so\.2|lib(?:c\.so\.6|m\.so\.6|(?:dl|rt)\.so\.[12]|pthread\.so\.0))$/;
const COMPILER_RUNTIME = /^libgcc_s\.so\.1$/;

const MINUTE_MS = 60_000;

/** What the guest finds on its disk. */
const ON_DISK = "from the host's disk";

/** A stock kernel, an initramfs that uses devices, and a disk: what a user would copy beside the executable. */
async function givenFiles(): Promise<CpioEntry[]> {
  const kernel = await kernelAsset("cloud");
  const initrd = await buildInitramfs({
    kernel,
    modules: ["virtio_pci", "virtio_blk", "virtio_rng"],
    command: "echo kernel $(uname -r); echo cpus $(nproc); head -n 1 /dev/vda; " +
      "cat /sys/class/misc/hw_random/rng_current; exit 7",
  });
  const disk = new Uint8Array(1 << 20);
  new TextEncoder().encodeInto(`${ON_DISK}\n`, disk);
  return [
    { path: "vmlinuz", type: "file", data: await Deno.readFile(kernel.vmlinuz) },
    { path: "initrd", type: "file", data: await Deno.readFile(initrd) },
    { path: "disk", type: "file", data: disk },
  ];
}

executableTest("needs glibc and the compiler's runtime, and nothing else", async () => {
  for (const path of await sharedLibraries(executable())) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    assert(GLIBC.test(name) || COMPILER_RUNTIME.test(name), path);
  }
});

/** A path, and all folders above it. */
function withFolders(path: string): string[] {
  const names = path.split("/").slice(1);
  return names.map((_, i) => `/${names.slice(0, i + 1).join("/")}`);
}

executableTest(
  "boots a stock kernel, and does all else, in a root with nothing beside it",
  async (t) => {
    const given = await givenFiles();
    const root = [...await bareRootEntries(executable()), ...given];
    await inBareLab(root, async (lab) => {
      const files = [
        PROGRAM_PATH,
        ...await sharedLibraries(executable()),
        ...["/dev/kvm", "/proc"],
        ...given.map(({ path }) => `/${path}`),
      ];
      const wanted = [...new Set(files.flatMap(withFolders))].sort();
      const denovisor = (args: readonly string[], timeoutMs = MINUTE_MS) =>
        lab.run([PROGRAM_PATH, ...args], timeoutMs);

      await t.step(
        "the root has nothing but glibc, the executable and what it is given",
        async () => {
          assert.deepEqual(await lab.files(), wanted);
        },
      );
      await t.step("it tells its version and its help", async () => {
        const version = await denovisor(["--version"]);
        assert.deepEqual([version.status, version.err], [0, ""]);
        assert.match(version.out, /^denovisor \d+\.\d+\.\d+/);
        const help = await denovisor(["help", "run"]);
        assert.deepEqual([help.status, help.err], [0, ""]);
        assert.match(help.out, /--timeout <TIME>/);
      });
      await t.step("it finds that stock kernels run there", async () => {
        const { status, out, err } = await denovisor(["doctor", "--json"], 3 * MINUTE_MS);
        assert.deepEqual([status, JSON.parse(out).runsStockKernels], [0, true], out + err);
      });
      await t.step("it runs the built-in guest", async () => {
        const { status, out, err } = await denovisor(["run"], 2 * MINUTE_MS);
        assert.deepEqual([status, err], [0, ""], out);
        assert.match(out, /wrote 1 MiB, flushed, read it back: all as written/);
      });
      await t.step("it passes its own test", async () => {
        const { status, out, err } = await denovisor(["self-test", "--json"], 10 * MINUTE_MS);
        const { failed, passed } = JSON.parse(out);
        assert.deepEqual([status, failed], [0, 0], out + err);
        assert(passed > 20, out);
      });
      await t.step("it boots Debian's stock kernel, with devices and two vCPUs", async () => {
        const args = ["run", "/vmlinuz", "--initrd", "/initrd", "--cpus", "2", "--rng"];
        const more = ["--disk", "/disk,ro", "--cmdline", "console=ttyS0 panic=-1 quiet"];
        const { status, out, err } = await denovisor([...args, ...more], 5 * MINUTE_MS);
        assert.deepEqual([status, err], [7, ""], out);
        const { version } = await kernelAsset("cloud");
        for (const line of [`kernel ${version}`, "cpus 2", ON_DISK, "virtio_rng.0"]) {
          assert(out.includes(line), out);
        }
      });
      await t.step("it has left nothing there", async () => {
        assert.deepEqual(await lab.files(), wanted);
      });
    });
  },
  "qemu-system-x86_64",
  "a host that is no lab",
);
