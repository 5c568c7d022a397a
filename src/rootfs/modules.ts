/**
 * A stock kernel's loadable modules: which ones a set of names needs, in loading order.
 *
 * Debian runs depmod when a kernel is installed, so an unpacked package has no modules.dep. What
 * depmod would write there is read from the modules themselves: the `depends=` entry in the
 * `.modinfo` section (scripts/mod/modpost.c, `add_depends`).
 *
 * @module
 */

import { join } from "node:path";
import { isAbsent } from "./command.ts";
import { isElf64 } from "./elf.ts";
import { RootfsError } from "./errors.ts";

/** A module to load. */
export interface KernelModule {
  /** Its name as the kernel has it, with `_` for `-`. */
  readonly name: string;
  /** The .ko file. */
  readonly path: string;
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * Finds modules and all that they depend on; each comes after what it depends on. Names that are
 * built into the kernel are left out.
 *
 * @param modulesDir the folder that has `modules.order`, `modules.builtin` and `kernel/`.
 * @param names module names, with `-` or `_`.
 * @throws {RootfsError} when there is no such module or one cannot be read.
 */
export async function resolveModules(
  modulesDir: string,
  names: Iterable<string>,
): Promise<KernelModule[]> {
  const [paths, builtin] = await Promise.all(
    ["modules.order", "modules.builtin"].map((list) => readList(join(modulesDir, list))),
  );
  const resolved = new Map<string, KernelModule>();
  const visit = async (name: string, neededBy: string): Promise<void> => {
    if (resolved.has(name) || builtin.has(name)) return;
    const path = paths.get(name);
    if (path === undefined) {
      throw new RootfsError(`no kernel module ${name}${neededBy} in ${modulesDir}`);
    }
    const module = { name, path: join(modulesDir, path), data: await read(join(modulesDir, path)) };
    const depends = modinfo(module.data, module.path).get("depends") ?? "";
    for (const dependency of depends.split(",")) {
      if (dependency !== "") await visit(canonical(dependency), `, which ${name} needs,`);
    }
    resolved.set(name, module);
  };
  for (const name of names) await visit(canonical(name), "");
  return [...resolved.values()];
}

/**
 * Reads the `.modinfo` section of a module: `key=value` strings, each ended by NUL.
 *
 * @param path named in errors.
 * @throws {RootfsError} when it is not a 64-bit little-endian ELF file with such a section.
 */
export function modinfo(module: Uint8Array<ArrayBuffer>, path: string): Map<string, string> {
  const section = modinfoSection(module);
  if (section === undefined) throw new RootfsError(`${path} is not a kernel module: no .modinfo`);
  const entries = new Map<string, string>();
  for (const text of new TextDecoder().decode(section).split("\0")) {
    const equals = text.indexOf("=");
    if (equals > 0) entries.set(text.slice(0, equals), text.slice(equals + 1));
  }
  return entries;
}

/** Size of Elf64_Shdr. */
const SHDR = 64;

function modinfoSection(module: Uint8Array<ArrayBuffer>): Uint8Array | undefined {
  if (!isElf64(module)) return undefined;
  const view = new DataView(module.buffer, module.byteOffset, module.byteLength);
  const table = Number(view.getBigUint64(40, true)); // e_shoff
  const count = view.getUint16(60, true); // e_shnum
  const namesIndex = view.getUint16(62, true); // e_shstrndx
  if (table + count * SHDR > module.byteLength || namesIndex >= count) return undefined;
  const body = (index: number): Uint8Array => {
    const start = Number(view.getBigUint64(table + index * SHDR + 24, true)); // sh_offset
    return module.subarray(
      start,
      start + Number(view.getBigUint64(table + index * SHDR + 32, true)),
    );
  };
  const names = new TextDecoder("latin1").decode(body(namesIndex));
  for (let index = 0; index < count; index++) {
    const name = view.getUint32(table + index * SHDR, true); // sh_name
    if (names.startsWith(".modinfo\0", name)) return body(index);
  }
  return undefined;
}

/** Reads a list of module paths into a map from name to path. */
async function readList(file: string): Promise<Map<string, string>> {
  const lines = new TextDecoder().decode(await read(file)).split("\n");
  return new Map(
    lines.filter((line) => line.endsWith(".ko")).map((line) => {
      return [canonical(line.slice(line.lastIndexOf("/") + 1, -".ko".length)), line];
    }),
  );
}

async function read(file: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await Deno.readFile(file);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    throw new RootfsError(`${file} cannot be read`, { cause: error });
  }
}

function canonical(name: string): string {
  return name.replaceAll("-", "_");
}
