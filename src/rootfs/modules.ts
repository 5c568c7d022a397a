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
import { decompress } from "./compression.ts";
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

/** What {@linkcode resolveModules} may leave out, and when it gives up. */
export interface ResolveOptions {
  /** Names that are left out where the kernel has no such module. */
  readonly optional?: readonly string[];
  readonly signal?: AbortSignal;
}

/**
 * Finds modules and all that they depend on; each comes after what it depends on. Names that are
 * built into the kernel are left out. Compressed modules (.ko.gz, .ko.xz, .ko.zst) are unpacked: only
 * some kernels can do that themselves.
 *
 * @param modulesDir the folder that has `modules.builtin`, `kernel/`, and `modules.dep` or
 * `modules.order`.
 * @param names module names, with `-` or `_`.
 * @throws {RootfsError} when there is no such module or one cannot be read.
 */
export async function resolveModules(
  modulesDir: string,
  names: Iterable<string>,
  { optional = [], signal }: ResolveOptions = {},
): Promise<KernelModule[]> {
  const paths = await modulePaths(modulesDir);
  const builtin = await readList(join(modulesDir, "modules.builtin"));
  const left = new Set(optional.map(canonical));
  const resolved = new Map<string, KernelModule>();
  const visit = async (name: string, neededBy: string): Promise<void> => {
    if (resolved.has(name) || builtin.has(name)) return;
    const found = paths.get(name);
    if (found === undefined) {
      if (left.has(name) && neededBy === "") return;
      throw new RootfsError(`no kernel module ${name}${neededBy} in ${modulesDir}`);
    }
    const path = join(modulesDir, found);
    const module = { name, path, data: await readModule(path, signal) };
    const depends = modinfo(module.data, module.path).get("depends") ?? "";
    for (const dependency of depends.split(",")) {
      if (dependency !== "") await visit(canonical(dependency), `, which ${name} needs,`);
    }
    resolved.set(name, module);
  };
  for (const name of names) await visit(canonical(name), "");
  return [...resolved.values()];
}

/** The suffixes of modules' files, as kmod has them. */
const SUFFIX = /\.ko(?:\.gz|\.xz|\.zst)?$/;

/**
 * Where each module is. `modules.dep`, which depmod writes, has every module and its file's real
 * name; `modules.order` comes from the build, and knows neither of compression nor of modules that
 * were added later.
 */
async function modulePaths(modulesDir: string): Promise<Map<string, string>> {
  const lists = [join(modulesDir, "modules.dep"), join(modulesDir, "modules.order")];
  for (const list of lists) {
    if (await isThere(list)) return await readList(list);
  }
  throw new RootfsError(
    `${modulesDir} has neither modules.dep nor modules.order: is it the folder of a kernel's modules?`,
  );
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

async function readModule(path: string, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  if (path.endsWith(".ko") && !await isThere(path)) {
    for (const suffix of [".xz", ".zst", ".gz"]) {
      if (await isThere(path + suffix)) return await decompress(await read(path + suffix), signal);
    }
  }
  return await decompress(await read(path), signal);
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

/** Reads a list of module paths, one at the beginning of each line, into a map from name to path. */
async function readList(file: string): Promise<Map<string, string>> {
  const paths = new Map<string, string>();
  for (const line of new TextDecoder().decode(await read(file)).split("\n")) {
    const path = line.split(":", 1)[0];
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (SUFFIX.test(name)) paths.set(canonical(name.replace(SUFFIX, "")), path);
  }
  return paths;
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
