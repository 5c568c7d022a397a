/**
 * Assembles the small guests in this folder.
 *
 * Each is one `.s` file for the GNU assembler; what it does, what it wants defined and the status that it
 * ends with stand at its head. `as` and `ld` of binutils build it, once for each combination of source, options
 * and version: the result stays in the user's cache folder.
 * @module
 */
import { join } from "node:path";
import { cached } from "../../src/rootfs/cache.ts";
import { findCommand, run, runText } from "../../src/rootfs/command.ts";

/** Whether binutils are there; a test that needs a payload is ignored by name where they are not. */
export const canAssemble = ["as", "ld", "nm", "objcopy", "readelf"].every((tool) =>
  findCommand(tool) !== undefined
);

/** What a payload's file looks like. How it is entered depends on the notes and headers in its source. */
export type PayloadFormat = "elf64" | "elf32" | "flat";

/** How a payload is built. */
export interface PayloadOptions {
  /** ELF64 by default. */
  readonly format?: PayloadFormat;
  /** Where it is loaded and linked to run: a guest physical address; 1 MiB by default. */
  readonly address?: number;
  /** Symbols that its source asks for. */
  readonly defines?: Readonly<Record<string, number>>;
}

/** A payload that is ready to be loaded. */
export interface Payload {
  /** The file, in the cache. */
  readonly path: string;
  /** The addresses of its global symbols. */
  readonly symbols: Readonly<Record<string, number>>;
}

const SOURCES = import.meta.dirname!;
const IMAGE = "payload";
const SYMBOLS = "symbols";
const MEGABYTE = 0x10_0000;

/**
 * Builds a payload, or finds it in the cache.
 *
 * @param name the name of its source without `.s`
 * @throws {CommandError} with the assembler's or the linker's message
 */
export async function assemble(name: string, options: PayloadOptions = {}): Promise<Payload> {
  const { format = "elf64", address = MEGABYTE, defines = {} } = options;
  const key = await digest([
    ...await sourceTexts(name),
    await toolVersion("as"),
    JSON.stringify([format, address, defines]),
  ]);
  const folder = await cached(`payload-${name}-${key}`, async (into, signal) => {
    const [size, emulation] = format === "elf32" ? ["--32", "elf_i386"] : ["--64", "elf_x86_64"];
    const object = join(into, "object");
    const elf = join(into, "elf");
    const symbols = Object.entries(defines).flatMap(([key, value]) => [
      "--defsym",
      `${key}=${value}`,
    ]);
    await run(["as", size, ...symbols, "-o", object, `${name}.s`], { cwd: SOURCES, signal });
    const script = join(SOURCES, "payload.ld");
    const place = `ADDRESS=${address}`;
    // An image that is entered before there are page tables has no use for separate permissions.
    const quiet = "--no-warn-rwx-segments";
    await run(["ld", "-m", emulation, "-T", script, quiet, "--defsym", place, "-o", elf, object], {
      signal,
    });
    await Deno.writeTextFile(join(into, SYMBOLS), await runText(["nm", "-g", elf], { signal }));
    if (format === "flat") {
      await run(["objcopy", "-O", "binary", elf, join(into, IMAGE)], { signal });
    } else await Deno.copyFile(elf, join(into, IMAGE));
    await Promise.all([object, elf].map((path) => Deno.remove(path)));
  });
  const symbols = parseSymbols(await Deno.readTextFile(join(folder, SYMBOLS)));
  return { path: join(folder, IMAGE), symbols };
}

const versions = new Map<string, Promise<string>>();

/** A tool's own name and version: other versions make other bytes. @throws {RootfsError} where it's missing */
export function toolVersion(tool: string): Promise<string> {
  const known = versions.get(tool);
  if (known !== undefined) return known;
  const found = runText([tool, "--version"]).then((text) => text.split("\n")[0]);
  versions.set(tool, found);
  return found;
}

/** The texts that a payload is made of: its own, those it can include, and the linker's script. */
async function sourceTexts(name: string): Promise<string[]> {
  const names = [`${name}.s`, "payload.ld"];
  for await (const { name } of Deno.readDir(SOURCES)) if (name.endsWith(".inc")) names.push(name);
  return Promise.all(names.sort().map((name) => Deno.readTextFile(join(SOURCES, name))));
}

/** A name for what has been made of texts. */
export async function digest(texts: readonly string[]): Promise<string> {
  const bytes = new TextEncoder().encode(texts.join("\0"));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return hash.toHex().slice(0, 16);
}

/** nm's lines: `0000000000100000 T start`. */
function parseSymbols(text: string): Record<string, number> {
  const symbols: Record<string, number> = {};
  for (const [, value, name] of text.matchAll(/^([0-9a-f]+) \w (\S+)$/gm)) {
    symbols[name] = parseInt(value, 16);
  }
  return symbols;
}
