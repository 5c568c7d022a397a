/**
 * The program that guests and the host talk to each other with, and Debian's ethtool.
 * @module
 */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import type { CpioEntry } from "../../loader/mod.ts";
import { cached } from "../assets/mod.ts";
import { run, runText } from "../../src/rootfs/command.ts";
import { ensureDebianPackages, unpackPackage } from "../../src/rootfs/packages.ts";

const SOURCE = join(import.meta.dirname!, "peer.c");
/** Static, so that guests without libraries run it. */
const FLAGS = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-static"];

/** All data of tests that move a gibibyte, and not what fits a short run. */
export const IS_FULL: boolean = Deno.env.get("DENOVISOR_FULL") === "1";

/**
 * How many bytes a transfer has: a GiB with `DENOVISOR_FULL=1`, else so many MiB. In the lab:
 *
 *     deno task lab -- env DENOVISOR_FULL=1 deno test -A tests/guest/net_test.ts
 */
export function transferBytes(mebibytes: number): number {
  return (IS_FULL ? 1024 : mebibytes) * 2 ** 20;
}

/**
 * Builds `peer.c`, or finds it in the cache, and gives its path.
 *
 * @throws {RootfsError} where there is no gcc
 */
export async function peerProgram(): Promise<string> {
  const hash = createHash("sha256").update(await Deno.readFile(SOURCE)).update(FLAGS.join(" "));
  const folder = await cached(`peer-${hash.digest("hex").slice(0, 16)}`, async (into, signal) => {
    await run(["gcc", ...FLAGS, "-o", join(into, "peer"), SOURCE], { signal });
  });
  return join(folder, "peer");
}

/** The program as a guest's /bin/peer. */
export async function peerFile(): Promise<CpioEntry> {
  const data = await Deno.readFile(await peerProgram());
  return { path: "bin/peer", type: "file", mode: 0o755, data };
}

/** Where Debian's packages have the files of ethtool, and where a guest has them. */
const ETHTOOL_FILES: readonly (readonly [from: string, to: string])[] = [
  ["sbin/ethtool", "bin/ethtool"],
  ["usr/lib/x86_64-linux-gnu/libmnl.so.0", "lib/libmnl.so.0"],
  ["lib/x86_64-linux-gnu/libc.so.6", "lib/libc.so.6"],
  ["lib/x86_64-linux-gnu/libm.so.6", "lib/libm.so.6"],
  ["lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2"],
];

/**
 * Debian's ethtool with its libraries, for a guest.
 *
 * @throws {RootfsError} when it can't be had
 */
export async function ethtoolFiles(): Promise<CpioEntry[]> {
  const folder = await cached("ethtool", async (into) => {
    await ensureDebianPackages({ "dpkg-deb": "dpkg", "apt-cache": "apt" });
    const packages = join(into, "packages");
    await Deno.mkdir(packages);
    for (const name of ["ethtool", "libmnl0", "libc6"]) await unpackPackage(name, packages);
    for (const [from, to] of ETHTOOL_FILES) {
      await Deno.copyFile(join(packages, from), join(into, basename(to)));
    }
    await Deno.remove(packages, { recursive: true });
  });
  return await Promise.all(ETHTOOL_FILES.map(async ([, path]): Promise<CpioEntry> => {
    const data = await Deno.readFile(join(folder, basename(path)));
    return { path, type: "file", mode: 0o755, data };
  }));
}

/** What a transfer has come to. */
export interface Transfer {
  readonly bytes: number;
  readonly digest: string;
  readonly milliseconds: number;
}

/** Reads the last line of `peer send` or `peer duplex`. */
export function transfer(text: string): Transfer {
  const match = /^(?:sent|echoed) (\d+) ([0-9a-f]{16}) (\d+)$/m.exec(text);
  if (match === null) throw new Error(`this tells of no transfer: ${text}`);
  return { bytes: Number(match[1]), digest: match[2], milliseconds: Number(match[3]) };
}

/** Runs the program on the host. @returns what it prints @throws {CommandError} with its message */
export async function peer(...args: string[]): Promise<string> {
  return await runText([await peerProgram(), ...args]);
}

/** A program on the host that runs beside the test, and is ended with it. */
export class Peer implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#lines = linesOf(child.stdout);
  }

  /** Starts it and waits for its first line. */
  static async start(expected: string, ...args: string[]): Promise<Peer> {
    const command = new Deno.Command(await peerProgram(), { args, stdout: "piped" });
    const started = new Peer(command.spawn());
    try {
      const line = await started.line();
      if (line !== expected) throw new Error(`peer ${args.join(" ")} says ${line}`);
      return started;
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What it prints next; undefined at its end. */
  async line(): Promise<string | undefined> {
    const next = await this.#lines.next();
    return next.done ? undefined : next.value;
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // It has ended already.
    }
    while (await this.line() !== undefined);
    await this.#child.status;
  }
}

/** A stream of text, line by line. */
export async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

const encoder = new TextEncoder();

/** Tells a measured figure beside the tests' results. */
export function tell(line: string): void {
  Deno.stderr.writeSync(encoder.encode(`  ${line}\n`));
}

/** A transfer's figures as text. */
export function speed({ bytes, milliseconds }: Transfer): string {
  const mebibytes = bytes / 2 ** 20;
  const seconds = milliseconds / 1000;
  return `${mebibytes} MiB in ${seconds.toFixed(1)} s, ${(mebibytes / seconds).toFixed(1)} MiB/s`;
}

/** Waits until `condition` holds, which is tried every tenth of a second. @throws {Error} that names what didn't come */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  seconds = 30,
): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
