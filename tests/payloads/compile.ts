/**
 * Compiles the small guests in the folder `native`: programs in C that run at CPL 3 and drive devices by polling.
 *
 * Each is one `.c` file with a `main`; what it does and what it wants on its command line stand at its head. Any
 * monitor that starts PVH kernels can run them. gcc builds them, once for each state of their sources and version of
 * gcc: the result stays in the user's cache folder.
 * @module
 */
import { join } from "node:path";
import { cached } from "../../src/rootfs/cache.ts";
import { run } from "../../src/rootfs/command.ts";
import { digest, toolVersion } from "./assemble.ts";

/** The commands without which a test that needs a program is ignored by name. */
export const COMPILER: readonly string[] = ["gcc"];

const SOURCES = import.meta.dirname!;
const PROGRAMS = join(SOURCES, "native");
const IMAGE = "program";
/** Where programs are linked to run: the first address that every loader takes for one. */
const ADDRESS = 0x10_0000;

/** What every program is made of; the entry first. */
const COMMON = [
  ...["start.s", "runtime.c", "virtio.c", "virtio_mmio.c", "virtio_pci.c"],
  ...["virtio_block.c", "virtio_net.c"],
];

/** What single programs have beside that and their own `.c` file. */
const MORE: Readonly<Record<string, readonly string[]>> = {
  built_in: ["terminal.c", "hardware.c", "disk_check.c", "calendar.c", "first_words.s"],
  soak_traffic: ["terminal.c"],
  vsock_speed: ["virtio_vsock.c"],
};

/** No library, nothing that the entry doesn't set up, and no register that the monitors don't. */
const FLAGS = [
  ...["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-pointer-sign"],
  ...["-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-no-pie", "-mno-red-zone"],
  ...["-mgeneral-regs-only", "-fno-stack-protector", "-fcf-protection=none"],
  ...["-fno-asynchronous-unwind-tables", "-fno-tree-loop-distribute-patterns"],
  ...["-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments", "-Wl,-z,noexecstack"],
  ...["-Wa,-I", `-Wa,${SOURCES}`, `-Wl,--defsym,ADDRESS=${ADDRESS}`, "-T", "../payload.ld"],
];

/**
 * Builds a program, or finds it in the cache.
 *
 * @param name the name of its source without `.c`
 * @returns the path of an ELF file to be started by PVH
 * @throws {CommandError} with the compiler's message
 * @throws {RootfsError} where there is no gcc
 */
export async function compile(name: string): Promise<string> {
  const more = MORE[name] ?? [];
  const tools = await Promise.all(["gcc", "as"].map(toolVersion));
  const key = await digest([...await sourceTexts(), name, ...more, ...FLAGS, ...tools]);
  const folder = await cached(`program-${name}-${key}`, async (into, signal) => {
    const sources = [...COMMON, ...more, `${name}.c`];
    await run(["gcc", ...FLAGS, "-o", join(into, IMAGE), ...sources], { cwd: PROGRAMS, signal });
  });
  return join(folder, IMAGE);
}

/** The texts that programs are made of. */
async function sourceTexts(): Promise<string[]> {
  const paths = [join(SOURCES, "payload.ld")];
  for await (const { name } of Deno.readDir(SOURCES)) {
    if (name.endsWith(".inc")) paths.push(join(SOURCES, name));
  }
  for await (const { name } of Deno.readDir(PROGRAMS)) paths.push(join(PROGRAMS, name));
  return Promise.all(paths.sort().map((path) => Deno.readTextFile(path)));
}
