/**
 * Debian packages: fetching one without installing it, and installing the commands that are needed.
 *
 * apt says which version of a package is current and what its SHA-256 is; those come from the
 * lists that Debian signs. What is fetched is hashed again before anything in it is used.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { lock } from "../host/lock.ts";
import { cacheFolder } from "./cache.ts";
import { findCommand, isAbsent, run, runText } from "./command.ts";
import { CommandError, MissingCommandsError, RootfsError } from "./errors.ts";
import { Progress } from "./progress.ts";

/** One version of a package, as apt's lists describe it. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  /** Lower-case hexadecimal SHA-256 of the .deb file. */
  readonly sha256: string;
  /** Bytes of the .deb file. */
  readonly size: number;
  /** The `Depends:` field; empty where there is none. */
  readonly depends: string;
}

/** apt-get waits this long for another apt or dpkg. Seconds. */
const APT_LOCK_TIMEOUT = 600;

/**
 * Says what apt would install for a package name. Where the lists do not know it and we are root,
 * they are updated first.
 *
 * @throws {RootfsError} when there is no such package, or no apt.
 */
export async function findPackage(name: string, signal?: AbortSignal): Promise<DebianPackage> {
  const found = await showPackage(name, signal);
  if (found !== undefined) return found;
  await updateLists(`the package ${name} is not in its lists`, signal);
  const after = await showPackage(name, signal);
  if (after === undefined) throw new RootfsError(`apt has no package ${name}`);
  return after;
}

/**
 * Fetches a package with apt, checks its SHA-256 and unpacks it; nothing is installed.
 *
 * @param name the package's name.
 * @param folder where to unpack it; the .deb file is there too while this runs.
 * @throws {RootfsError} when it cannot be had or is not what apt's lists say it is.
 */
export async function unpackPackage(
  name: string,
  folder: string,
  signal?: AbortSignal,
): Promise<DebianPackage> {
  let found = await findPackage(name, signal);
  let file: string;
  try {
    file = await download(found, folder, signal);
  } catch (error) {
    // Old lists name files that the archive has since replaced.
    if (!(error instanceof CommandError) || Deno.uid() !== 0) throw error;
    await updateLists(`${name} could not be fetched`, signal);
    found = await findPackage(name, signal);
    file = await download(found, folder, signal);
  }
  await verify(file, found);
  using _progress = new Progress(`unpacking ${name}`);
  await run(["dpkg-deb", "-x", file, folder], { signal });
  await Deno.remove(file);
  return found;
}

/**
 * Sees to it that commands and files are installed: where some commands are not on PATH, or some
 * files, named by their absolute paths, are not there, installs their packages if we are root on a
 * machine with apt.
 *
 * @param needs the commands and files, each with the Debian package that has it.
 * @throws {MissingCommandsError} when some are missing and cannot be installed; it says what to do.
 */
export async function ensureDebianPackages(needs: Readonly<Record<string, string>>): Promise<void> {
  if (missingCommands(needs).length === 0) return;
  const refuse = (reason: string) => {
    const missing = missingCommands(needs);
    return new MissingCommandsError(missing, packagesOf(missing, needs), reason);
  };
  if (findCommand("apt-get") === undefined) throw refuse("there is no apt-get here");
  if (Deno.uid() !== 0) throw refuse("only root can install them");
  await Deno.mkdir(cacheFolder(), { recursive: true });
  using _lock = await lock(join(cacheFolder(), ".apt.lock"), {
    onWait: () => new Progress("waiting for apt"),
  });
  const missing = missingCommands(needs);
  if (missing.length === 0) return;
  const packages = packagesOf(missing, needs);
  for (const name of packages) await findPackage(name);
  try {
    await install(packages);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    await updateLists(`${packages.join(" ")} could not be installed`);
    await install(packages);
  }
  const still = missingCommands(needs);
  if (still.length > 0) throw refuse("their packages are installed, yet they are not there");
}

function missingCommands(needs: Readonly<Record<string, string>>): string[] {
  return Object.keys(needs).filter((name) =>
    name.startsWith("/") ? !isFile(name) : findCommand(name) === undefined
  );
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

function packagesOf(commands: string[], needs: Readonly<Record<string, string>>): string[] {
  return [...new Set(commands.map((command) => needs[command]))];
}

async function install(packages: readonly string[]): Promise<void> {
  using progress = new Progress(`installing ${packages.join(" ")}`);
  await run([
    "apt-get",
    "install",
    "-y",
    "-q",
    "--no-install-recommends",
    ...aptOptions(),
    ...packages,
  ], { env: { DEBIAN_FRONTEND: "noninteractive" }, onLine: aptProgress(progress, 1 / 2) });
}

async function updateLists(reason: string, signal?: AbortSignal): Promise<void> {
  if (Deno.uid() !== 0) {
    throw new RootfsError(`${reason}: run \`apt-get update\` as root, then try again`);
  }
  using progress = new Progress("updating apt's package lists");
  await run(["apt-get", "update", "-q", ...aptOptions()], {
    signal,
    onLine: aptProgress(progress, 1),
  });
}

async function showPackage(
  name: string,
  signal?: AbortSignal,
): Promise<DebianPackage | undefined> {
  let text: string;
  try {
    text = await runText(["apt-cache", "show", "--no-all-versions", name], { signal });
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
  return parseStanza(name, text);
}

/**
 * Reads the first paragraph of what `apt-cache show` prints (deb822(5)).
 *
 * @returns `undefined` when it describes nothing that could be fetched.
 */
export function parseStanza(name: string, text: string): DebianPackage | undefined {
  const paragraph = text.trimStart().split(/\n\s*\n/, 1)[0];
  const field = (key: string) => {
    const match = new RegExp(`^${key}:[ \\t]*(.*(?:\\n[ \\t].*)*)`, "mi").exec(paragraph);
    return match?.[1].trim();
  };
  const version = field("Version");
  const sha256 = field("SHA256")?.toLowerCase();
  const size = Number(field("Size"));
  if (field("Package") !== name || version === undefined || sha256 === undefined) return undefined;
  if (!/^[0-9a-f]{64}$/.test(sha256) || !Number.isSafeInteger(size)) return undefined;
  return { name, version, sha256, size, depends: field("Depends") ?? "" };
}

/** Fetches the .deb file into a folder and gives its path. */
async function download(
  wanted: DebianPackage,
  folder: string,
  signal?: AbortSignal,
): Promise<string> {
  const mebibytes = (wanted.size / 2 ** 20).toFixed(1);
  using progress = new Progress(`fetching ${wanted.name} (${mebibytes} MiB)`);
  await run(["apt-get", "download", "-q", ...aptOptions(), `${wanted.name}=${wanted.version}`], {
    cwd: folder,
    signal,
    onLine: aptProgress(progress, 1),
  });
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isFile && entry.name.endsWith(".deb")) return join(folder, entry.name);
  }
  throw new RootfsError(`apt-get download ${wanted.name} left no file in ${folder}`);
}

/**
 * Compares a fetched file with what apt's lists say of it.
 *
 * @throws {RootfsError} when it is another file.
 */
export async function verify(file: string, wanted: DebianPackage): Promise<void> {
  const hash = createHash("sha256");
  let size = 0;
  using opened = await openAsset(file);
  for await (const chunk of opened.readable) {
    hash.update(chunk);
    size += chunk.byteLength;
  }
  const digest = hash.digest("hex");
  if (digest === wanted.sha256 && size === wanted.size) return;
  throw new RootfsError(
    `${basename(file)} is not ${wanted.name} ${wanted.version}: it has ${size} bytes and SHA-256 ` +
      `${digest}, and should have ${wanted.size} and ${wanted.sha256}; it was not used`,
  );
}

async function openAsset(file: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(file);
  } catch (error) {
    if (!isAbsent(error)) throw error;
    throw new RootfsError(`${file} cannot be read`, { cause: error });
  }
}

function aptOptions(): string[] {
  return [
    ...["-o", "APT::Status-Fd=1", "-o", `DPkg::Lock::Timeout=${APT_LOCK_TIMEOUT}`],
    // Our folder is not readable for apt's own user, about which it would complain.
    ...(Deno.uid() === 0 ? ["-o", "APT::Sandbox::User=root"] : []),
  ];
}

/**
 * Follows apt's status lines (`dlstatus:1:42.0:…` while fetching, `pmstatus:xz-utils:42.0:…` while
 * installing).
 *
 * @param share the part of the progress that fetching is; the rest is installing.
 */
function aptProgress(progress: Progress, share: number): (line: string) => void {
  return (line) => {
    const match = /^(dl|pm)status:[^:]*:([0-9.]+):/.exec(line);
    if (match === null) return;
    const part = Number(match[2]) / 100;
    progress.fraction = match[1] === "dl" ? part * share : share + part * (1 - share);
  };
}
