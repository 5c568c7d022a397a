/**
 * `deno task compile [--out FILE] [--way deno-compile|append] [--deno FILE] [--json]`: the program as one file.
 *
 * `deno compile` is the first way. Where Deno's runtime for compiled programs can't be had, the program is appended to
 * the `deno` that runs this.
 * @module
 */
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { commit } from "../parts/mod.ts";
import { ASSETS, WORKERS } from "../parts/table.ts";
import { appendTo, type Contents } from "./append.ts";
import { bundle, BundleError, bundleParts } from "./bundle.ts";
import { bundleMain, denoCompile } from "./deno_compile.ts";
import { ElfError } from "./elf.ts";
import { ProcessError, run } from "./process.ts";

const USAGE =
  `usage: deno task compile [--out FILE] [--way auto|deno-compile|append] [--deno FILE] [--json]

  --out FILE   the executable to be made (default: dist/denovisor)
  --way WAY    deno-compile: with Deno's runtime for compiled programs, fetched or named by DENORT_BIN
               append: with the "deno" program, which needs no network
               auto: the first where that works, else the second (default)
  --deno FILE  the "deno" program to append to, also one for the other architecture (default: this one)
  --json       end with one line of JSON on standard output`;

const WAYS = ["auto", "deno-compile", "append"] as const;
type Way = typeof WAYS[number];

/** What goes into every executable; how it is carried, and the main program, depend on the way. */
type Collected = Omit<Contents, "main" | "build">;

interface Options {
  readonly out: string;
  readonly way: Way;
  readonly deno: string | undefined;
  readonly json: boolean;
}

/** What was made. */
interface Report {
  readonly file: string;
  readonly carrier: "deno compile" | "deno";
  /** Why it was not `deno compile`, where that was tried. */
  readonly reason?: string;
  readonly bytes: number;
  /** Of the program itself: bundles and assets. */
  readonly ownBytes: number;
  readonly commit: string;
  /** What `--version` of the executable says; absent where it is for another architecture. */
  readonly version?: string;
  /** The libraries that it needs, as ldd lists them; absent likewise. */
  readonly libraries?: readonly string[];
}

const here = import.meta.dirname!;
const encoder = new TextEncoder();

function say(text: string): void {
  Deno.stderr.writeSync(encoder.encode(`${text}\n`));
}

/** A path in the table of parts, whose paths are relative to its folder. */
function part(path: string): string {
  return resolve(here, "../parts", path);
}

/** Bundles and reads everything that an executable carries. */
async function collect(): Promise<Collected & { readonly commit: string }> {
  const workers: [string, string][] = [];
  for (const [name, path] of Object.entries(WORKERS)) {
    say(`bundling the Worker ${name}`);
    workers.push([name, await bundle(part(path), "iife")]);
  }
  const assets: [string, Uint8Array<ArrayBuffer>][] = [];
  for (const [name, path] of Object.entries(ASSETS)) {
    assets.push([name, await Deno.readFile(part(path))]);
  }
  return {
    workers: Object.fromEntries(workers) as Contents["workers"],
    assets: Object.fromEntries(assets) as Contents["assets"],
    commit: await describeCommit(),
  };
}

/** The commit, marked where files differ from it; empty outside of a repository. */
async function describeCommit(): Promise<string> {
  const own = await commit();
  if (own === "") return "";
  try {
    const { out } = await run(["git", "status", "--porcelain"], here);
    return out === "" ? own : `${own}-dirty`;
  } catch {
    // Without git nobody can tell.
    return own;
  }
}

/** Tries `deno compile`. @returns why there is no executable, or undefined */
async function tryDenoCompile(
  out: string,
  contents: Omit<Contents, "main"> & { readonly main: string },
): Promise<string | undefined> {
  say("compiling with Deno's runtime for compiled programs");
  try {
    await denoCompile(out, contents.main, contents);
    await checkVersion(out);
  } catch (error) {
    if (!(error instanceof ProcessError)) throw error;
    await Deno.remove(out).catch(() => {});
    return error.message;
  }
  return undefined;
}

/** Runs what was made: another program than ours would not know what it is. */
async function checkVersion(file: string): Promise<string> {
  const { out } = await run([file, "--version"]);
  if (out.startsWith("denovisor ")) return out.trimEnd();
  throw new ProcessError(
    `${file} --version says ${JSON.stringify(out.slice(0, 80))}: what it is built on is not ` +
      "Deno's runtime for compiled programs (see DENORT_BIN)",
  );
}

/** Makes the executable under another name, and then moves it to its own. */
async function make(options: Options): Promise<Report> {
  const { out } = options;
  await Deno.mkdir(dirname(out), { recursive: true });
  const unfinished = `${out}.${Deno.pid}.tmp`;
  try {
    const report = await makeAs(unfinished, options);
    await Deno.rename(unfinished, out);
    return report;
  } catch (error) {
    await Deno.remove(unfinished).catch(() => {});
    throw error;
  }
}

async function makeAs(file: string, { out, way, deno }: Options): Promise<Report> {
  const { commit, ...parts } = await collect();
  let reason: string | undefined;
  if (way !== "append" && deno === undefined) {
    say("bundling the program");
    const build = { commit, carrier: "deno compile" } as const;
    const contents = { ...parts, main: await bundleMain(), build };
    reason = await tryDenoCompile(file, contents);
    if (reason === undefined) {
      const ownBytes = sizeOf(contents, [contents.main]);
      return { ...await describe(file, true), file: out, ownBytes, ...build };
    }
    if (way === "deno-compile") throw new ProcessError(reason);
    say(
      `deno compile can't: ${
        reason.split("\n").find((line) => line.startsWith("error")) ?? reason
      }`,
    );
  }
  const base = deno ?? Deno.execPath();
  say(`appending the program to ${base}`);
  const build = { commit, carrier: "deno" } as const;
  const contents = { ...parts, build, main: await bundleParts(resolve(here, "entry.ts")) };
  const boot = await bundle(resolve(here, "boot.ts"), "iife");
  const { bytes, machine } = await appendTo(await Deno.readFile(base), base, boot, contents);
  await Deno.writeFile(file, bytes, { mode: 0o755 });
  const described = await describe(file, machine === Deno.build.arch);
  const ownBytes = sizeOf(contents, Object.values(contents.main));
  return { ...described, file: out, ownBytes, ...build, reason };
}

function sizeOf({ workers, assets }: Collected, main: readonly string[]): number {
  return [...main, ...Object.values(workers), ...Object.values(assets)]
    .reduce((sum, { length }) => sum + length, 0);
}

/** What can be told of the file by running it. */
async function describe(
  file: string,
  isNative: boolean,
): Promise<Pick<Report, "bytes" | "version" | "libraries">> {
  const { size: bytes } = await Deno.stat(file);
  if (!isNative) return { bytes };
  const version = await checkVersion(file);
  const { out } = await run(["ldd", file]);
  const libraries = [...out.matchAll(/^\s*(?:\S*\/)?(\S+\.so\S*)/gm)].map(([, name]) => name);
  return { bytes, version, libraries: libraries.filter((name) => !name.startsWith("linux-vdso")) };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function tell({ file, carrier, bytes, ownBytes, version, libraries }: Report): void {
  say(`made ${file}: ${megabytes(bytes)}, of which ${megabytes(ownBytes)} are denovisor`);
  say(carrier === "deno" ? "  on: the deno program" : "  on: Deno's runtime for compiled programs");
  say(`  is: ${version ?? "for another architecture, so it was not run"}`);
  if (libraries !== undefined) {
    say(`  needs: ${libraries.join(", ")} (all of them of glibc and libgcc)`);
  }
}

function parse(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      out: { type: "string", default: resolve(here, "../../dist/denovisor") },
      way: { type: "string", default: "auto" },
      deno: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const way = WAYS.find((way) => way === values.way);
  if (way === undefined) throw new TypeError(`--way: there is no way "${values.way}"`);
  if (values.deno !== undefined && way === "deno-compile") {
    throw new TypeError("--deno is for --way append");
  }
  return { out: resolve(values.out), way, deno: values.deno, json: values.json };
}

/** @returns the exit status */
async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = parse(args);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    say(`${error.message}\n\n${USAGE}`);
    return 2;
  }
  try {
    const report = await make(options);
    tell(report);
    if (options.json) Deno.stdout.writeSync(encoder.encode(`${JSON.stringify(report)}\n`));
    return 0;
  } catch (error) {
    const known = [ElfError, ProcessError, BundleError, Deno.errors.NotFound];
    if (!known.some((type) => error instanceof type)) throw error;
    say(`compile: ${(error as Error).message}`);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
