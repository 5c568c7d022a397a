/**
 * An executable made of the `deno` program itself, where Deno's smaller runtime for compiled programs is not to be had:
 * the bundles and assets are appended to it, and a segment that starts them (see elf.ts and segment.ts).
 *
 * It needs no compiler and no network, and the same input gives the same bytes.
 * @module
 */
import type { Build } from "../parts/carrier.ts";
import type { AssetName, WorkerName } from "../parts/table.ts";
import { kitModule } from "../../devices/mod.ts";
import { ElfProgram, type Machine } from "./elf.ts";
import { DIGEST_SIZE, type Extent, type Layout } from "./layout.ts";
import { buildSegment } from "./segment.ts";

/** What goes into an executable. */
export interface Contents {
  /** The parts of entry.ts by their names, its own first. */
  readonly main: Readonly<Record<string, string>>;
  readonly workers: Readonly<Record<WorkerName, string>>;
  readonly assets: Readonly<Record<AssetName, Uint8Array<ArrayBuffer>>>;
  readonly build: Build;
}

/** An executable's file. */
export interface Executable {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly machine: Machine;
}

/** The longest name that a file can have on Linux (limits.h). */
const NAME_MAX = 255;

/**
 * How Deno is started: by a name that means nothing to it. Nothing is fetched, no configuration is looked for, and no
 * compiled code, which a cache would hold that there is not. Nobody is asked for permissions; all are given, for what
 * opens libraries can do everything anyway, and Deno lets nothing less read /proc, /sys and /dev.
 */
const DENO_ARGS = [
  "denovisor",
  ...["run", "--allow-all", "--no-prompt", "--quiet", "--no-code-cache"],
  ...["--no-config", "--no-lock", "--no-npm", "--no-remote", "--cached-only", "--no-check"],
];

/**
 * What the modules of users' own devices import by its name, where there is no file of that name: an import map leads
 * to a module which takes it from the bundle that has imported them.
 */
function importMap(): string {
  const kit = `data:text/javascript,${encodeURIComponent(kitModule())}`;
  const map = JSON.stringify({ imports: { "denovisor/devices": kit } });
  return `--import-map=data:application/json,${encodeURIComponent(map)}`;
}

/**
 * Deno neither looks for updates nor makes a link to itself for programs of node's. Its caches are of no use here:
 * where their folder can't be, it keeps them in memory. And it reads no .npmrc where there can't be one.
 */
const VARIABLES = [
  ...[
    "DENO_NO_UPDATE_CHECK=1",
    "DENO_DISABLE_NODE_SHIM=1",
    // On a terminal it would tell that it has no caches.
    "DENO_LOG=error,deno::cache=off",
    `DENO_DIR=/${"-".repeat(NAME_MAX + 1)}`,
  ],
  "HOME=/proc/self",
];

const DAMAGED = "denovisor: this executable is damaged, or was started without a name. " +
  "Copy it again, or build it again.\n";

/**
 * Appends a program to Deno's.
 *
 * @param deno the file of the `deno` program, which is changed
 * @param name of that file, for messages
 * @param boot the bundle of boot.ts
 * @throws {ElfError} for a file that is no such program
 */
export async function appendTo(
  deno: Uint8Array<ArrayBuffer>,
  name: string,
  boot: string,
  contents: Contents,
): Promise<Executable> {
  const program = new ElfProgram(deno, name);
  const { place } = program;
  const region = new Region();
  const main = mapValues(contents.main, (text) => region.add(text));
  const workers = mapValues(contents.workers, (text) => region.add(text));
  const assets = mapValues(contents.assets, (bytes) => region.add(bytes));
  const parts = region.bytes();
  const sha256 = new Uint8Array(await digest(parts)).toHex();

  const segmentFor = (offset: number): Uint8Array<ArrayBuffer> => {
    const size = offset + parts.length + DIGEST_SIZE;
    const { build } = contents;
    const table = { size, offset, length: parts.length, sha256, main, workers, assets, build };
    const layout = JSON.stringify(table satisfies Layout);
    const url = `data:text/javascript,${encodeURIComponent(`const LAYOUT=${layout};${boot}`)}`;
    return buildSegment(place, {
      args: [...DENO_ARGS, importMap(), url],
      variables: VARIABLES,
      message: DAMAGED,
    });
  };
  // The segment says where the region is, which is behind it: another digit there makes it longer.
  let offset = place.offset;
  let segment = segmentFor(offset);
  while (offset !== place.offset + segment.length) {
    offset = place.offset + segment.length;
    segment = segmentFor(offset);
  }

  const size = offset + parts.length + DIGEST_SIZE;
  const bytes = new Uint8Array(size);
  bytes.set(program.add(segment.length));
  bytes.set(segment, place.offset);
  bytes.set(parts, offset);
  const whole = bytes.subarray(0, size - DIGEST_SIZE);
  bytes.set(new Uint8Array(await digest(whole)), size - DIGEST_SIZE);
  return { bytes, machine: place.machine };
}

/** Parts one after another. */
class Region {
  readonly #parts: Uint8Array<ArrayBuffer>[] = [];
  #length = 0;

  add(part: string | Uint8Array<ArrayBuffer>): Extent {
    const bytes = typeof part === "string" ? new TextEncoder().encode(part) : part;
    const extent = [this.#length, bytes.length] as const;
    this.#parts.push(bytes);
    this.#length += bytes.length;
    return extent;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}

function digest(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", bytes);
}

function mapValues<K extends string, V, W>(
  record: Readonly<Record<K, V>>,
  map: (value: V) => W,
): Readonly<Record<K, W>> {
  const entries = Object.entries(record) as [K, V][];
  return Object.fromEntries(entries.map(([key, value]) => [key, map(value)])) as Record<K, W>;
}
