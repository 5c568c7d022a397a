/**
 * The small guests that the program carries: what each is built from, and `deno task images`, which builds them all
 * into src/parts/images.
 *
 * They are committed, so that nobody but who changes them needs a compiler. The tools that built them are recorded
 * beside them: other versions of the tools make other bytes out of the same sources.
 * @module
 */
import { join } from "node:path";
import { type AssetName, ASSETS } from "../../src/parts/table.ts";
import { run } from "../../src/rootfs/command.ts";
import { assemble, type PayloadOptions, toolVersion } from "./assemble.ts";
import { compile } from "./compile.ts";
import { compileAgent } from "./compile_agent.ts";

/** What an image is built from: a program of the folder `native`, the folder `agent`, or a payload of this folder. */
export type Recipe =
  | { readonly program: string }
  | { readonly folder: "agent" }
  | { readonly payload: string; readonly options?: PayloadOptions };

/** A payload without a header, which is smaller than an ELF file. */
function flat(payload: string, defines: PayloadOptions["defines"] = {}): Recipe {
  return { payload, options: { format: "flat", defines } };
}

/** The images, by the names under which the program finds them. */
export const IMAGES: Readonly<Partial<Record<AssetName, Recipe>>> = {
  "built-in-guest": { program: "built_in" },
  // What serves the host inside Linux guests.
  agent: { folder: "agent" },
  // What `denovisor self-test` runs.
  "real-mode": { payload: "real_mode", options: { format: "flat", address: 0x7c00 } },
  "protected-mode": flat("flat_mode", { BITS32: 1 }),
  "long-mode": flat("flat_mode"),
  "linux-64": { payload: "linux" },
  pvh: { payload: "pvh" },
  multiboot: flat("multiboot", { ADDRESS_FIELDS: 1 }),
  cpl3: { payload: "cpl3" },
  "lapic-timer": flat("lapic_timer"),
  pit: flat("pit"),
  smp: flat("smp", { CPUS: 2 }),
  "string-io": flat("string_io"),
  echo: flat("echo", { INTERRUPTS: 1, IOAPIC_PIN: 4 }),
  rtc: flat("rtc"),
  busy: { payload: "busy", options: { defines: { CPL3: 1, COUNTER: 0x7000 } } },
  "power-off": flat("power", { PORT: 0x600, VALUE: 1 << 5 | 5 << 2 }),
  "reset-acpi": flat("power", { PORT: 0x602, VALUE: 6 }),
  "reset-i8042": flat("power", { PORT: 0x64, VALUE: 0xfe }),
  "reset-port92": flat("power", { PORT: 0x92, VALUE: 1 }),
  "triple-fault": flat("triple_fault"),
  "emulation-failure": flat("emulation_failure"),
  "virtio-block": { program: "block" },
  "virtio-console": { program: "console" },
  "virtio-entropy": { program: "entropy" },
  "virtio-idle": { program: "idle" },
  "virtio-net": { program: "net" },
};

/** The tools whose versions decide what the images' bytes are. */
export interface Toolchain {
  readonly gcc: string;
  readonly binutils: string;
}

const PARTS = new URL("../../src/parts/", import.meta.url);
const TOOLCHAIN = new URL("images/toolchain.json", PARTS);

/** Where an image is kept. */
export function imagePath(name: AssetName): URL {
  return new URL(ASSETS[name], PARTS);
}

/** The images' names. */
export function imageNames(): AssetName[] {
  return Object.keys(IMAGES) as AssetName[];
}

/**
 * Builds an image, without its symbols.
 *
 * @throws {CommandError} with the tool's message
 * @throws {RootfsError} where a tool is missing
 */
export async function buildImage(name: AssetName): Promise<Uint8Array<ArrayBuffer>> {
  const recipe = IMAGES[name];
  if (recipe === undefined) throw new Error(`${name} is not built from sources`);
  if ("folder" in recipe) return await stripped(await compileAgent());
  if ("program" in recipe) return await stripped(await compile(recipe.program));
  const { path } = await assemble(recipe.payload, recipe.options);
  return recipe.options?.format === "flat" ? await Deno.readFile(path) : await stripped(path);
}

async function stripped(elf: string): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-image-" });
  try {
    const path = join(folder, "image");
    await run(["strip", "--strip-all", "-o", path, elf]);
    return await Deno.readFile(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The tools of this host. @throws {RootfsError} where one is missing */
export async function toolchain(): Promise<Toolchain> {
  return { gcc: await toolVersion("gcc"), binutils: await toolVersion("as") };
}

/** The tools that have built the images. */
export async function recordedToolchain(): Promise<Toolchain> {
  return JSON.parse(await Deno.readTextFile(TOOLCHAIN));
}

if (import.meta.main) {
  const images = await Promise.all(
    imageNames().map(async (name) => {
      return { name, path: imagePath(name), bytes: await buildImage(name) };
    }),
  );
  for (const { path, bytes } of images) await Deno.writeFile(path, bytes);
  await Deno.writeTextFile(TOOLCHAIN, JSON.stringify(await toolchain(), null, 2) + "\n");
  const lines = images.map(({ name, bytes }) => `${name}: ${bytes.length} bytes\n`);
  await Deno.stdout.write(new TextEncoder().encode(lines.join("")));
}
