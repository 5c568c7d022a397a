/**
 * Compiles the program that runs inside Linux guests, in the folder `agent`: freestanding C, without a C library, that
 * is a guest's first process, and what the host talks to.
 *
 * It needs gcc, and the kernel's headers for user space (Debian's linux-libc-dev, which comes with gcc's).
 * @module
 */
import { join } from "node:path";
import { cached } from "../../src/rootfs/cache.ts";
import { run } from "../../src/rootfs/command.ts";
import { digest, toolVersion } from "./assemble.ts";

const SOURCES = join(import.meta.dirname!, "agent");
const IMAGE = "agent";

/** Small, and with nothing in it that depends on where it was built. */
const FLAGS = [
  ...["-std=gnu17", "-Os", "-Wall", "-Wextra", "-Werror", "-Wno-pointer-sign"],
  ...["-ffreestanding", "-nostdlib", "-static", "-fno-pic", "-no-pie", "-mgeneral-regs-only"],
  ...["-fno-stack-protector", "-fcf-protection=none", "-fno-asynchronous-unwind-tables"],
  ...["-fno-tree-loop-distribute-patterns", "-ffunction-sections", "-fdata-sections"],
  ...["-Wl,--gc-sections", "-Wl,--build-id=none", "-Wl,-z,noexecstack", "-Wl,-z,noseparate-code"],
];

/**
 * Builds the agent, or finds it in the cache.
 *
 * @returns the path of a static ELF program for Linux
 * @throws {CommandError} with the compiler's message
 * @throws {AssetError} where there is no gcc
 */
export async function compileAgent(): Promise<string> {
  const names = [...Deno.readDirSync(SOURCES)].map(({ name }) => name).sort();
  const texts = await Promise.all(names.map((name) => Deno.readTextFile(join(SOURCES, name))));
  const tools = await Promise.all(["gcc", "as"].map(toolVersion));
  const key = await digest([...names, ...texts, ...FLAGS, ...tools]);
  const folder = await cached(`agent-${key}`, async (into, signal) => {
    const sources = names.filter((name) => name.endsWith(".c"));
    await run(["gcc", ...FLAGS, "-o", join(into, IMAGE), ...sources], { cwd: SOURCES, signal });
  });
  return join(folder, IMAGE);
}
