/**
 * Copies files and trees from the host into a guest.
 * @module
 */
import { type BigIntStats, promises as fs } from "node:fs";
import { join } from "node:path";
import { Call, type CallOptions, type Link } from "./call.ts";
import type { Channel } from "./channel.ts";
import { encodeFields, type Field, type Fields, FrameType, MAX_PAYLOAD } from "./protocol.ts";

/** How files are copied into a guest. */
export interface CopyInOptions extends CallOptions {
  /** Whether owners are kept, by their numbers; true by default. Else everything becomes root's. */
  readonly owners?: boolean;
}

/** What was not copied, and why. */
export interface SkippedFile {
  /** Below the folder that was copied. */
  readonly path: string;
  readonly reason: string;
}

/** What was copied. */
export interface CopyResult {
  readonly files: number;
  readonly directories: number;
  /** Symbolic links, and second names of files. */
  readonly links: number;
  /** Of files. */
  readonly bytes: number;
  /** Devices, sockets and named pipes, which are not copied, and files whose names are not UTF-8. */
  readonly skipped: readonly SkippedFile[];
}

/** Copies; see {@linkcode Guest.copyIn}. */
export async function copyIn(
  link: Link,
  hostPath: string,
  guestPath: string,
  options: CopyInOptions,
): Promise<CopyResult> {
  // What can't be copied at all is told before the guest is asked for anything.
  const root = await fs.stat(hostPath, { bigint: true });
  const { call, control } = await Call.open(
    link,
    options,
    `copy ${hostPath} to ${guestPath}`,
    FrameType.unpack,
    [["p", guestPath]],
  );
  using _ = call;
  const answer = call.expect(control, FrameType.done);
  const copy = new CopyIn(control, answer, options.owners ?? true);
  const sent = copy.send(hostPath, root);
  sent.catch(() => {});
  try {
    await Promise.race([answer, sent]);
  } catch (error) {
    // Why a connection failed is the guest's to say, if it's still there.
    if (!copy.isHostsFault) await answer;
    throw error;
  }
  await answer;
  return copy.result;
}

/** The guest has answered early. */
class Answered extends Error {}

/** One tree on its way. */
class CopyIn {
  /** Whether it failed on this side, and not at the connection. */
  isHostsFault = false;
  readonly #control: Channel;
  readonly #owners: boolean;
  /** Files that have several names, by device and inode: their first one. */
  readonly #shared = new Map<string, string>();
  readonly #skipped: SkippedFile[] = [];
  readonly #counts = { files: 0, directories: 0, links: 0, bytes: 0 };
  readonly #buffer = new Uint8Array(MAX_PAYLOAD);
  #isAnswered = false;

  constructor(control: Channel, answer: Promise<Fields>, owners: boolean) {
    this.#control = control;
    this.#owners = owners;
    const told = () => void (this.#isAnswered = true);
    answer.then(told, told);
  }

  get result(): CopyResult {
    return { ...this.#counts, skipped: this.#skipped };
  }

  /** Sends the tree. The root is followed where it's a link. */
  async send(path: string, root: BigIntStats): Promise<void> {
    if (root.isDirectory()) await this.#folder(path, "", root);
    else if (root.isFile()) await this.#file(path, "", root);
    else throw this.#fault(new TypeError(`${path} is neither a file nor a folder`));
    await this.#control.send(FrameType.end, new Uint8Array());
  }

  async #any(path: string, below: string): Promise<void> {
    const found = await this.#own(fs.lstat(path, { bigint: true }).catch(gone));
    if (found === undefined) {
      return this.#skip(below, "it has gone, or its name is not UTF-8");
    }
    if (found.isDirectory()) return await this.#folder(path, below, found);
    if (found.isSymbolicLink()) {
      const target = await this.#own(fs.readlink(path));
      this.#counts.links++;
      return await this.#entry([["k", "l"], ["l", target], ...this.#attributes(below, found)]);
    }
    if (!found.isFile()) return this.#skip(below, "it is a device, a socket or a named pipe");
    const first = this.#firstName(below, found);
    if (first === undefined) return await this.#file(path, below, found);
    this.#counts.links++;
    await this.#entry([["k", "h"], ["p", below], ["l", first]]);
  }

  #firstName(below: string, found: BigIntStats): string | undefined {
    if (found.nlink === 1n) return undefined;
    const key = `${found.dev}:${found.ino}`;
    const first = this.#shared.get(key);
    if (first === undefined) this.#shared.set(key, below);
    return first;
  }

  async #folder(path: string, below: string, found: BigIntStats): Promise<void> {
    this.#counts.directories++;
    await this.#entry([["k", "d"], ["p", below]]);
    const names = await this.#own(fs.readdir(path));
    for (const name of names.sort()) {
      await this.#any(join(path, name), below === "" ? name : `${below}/${name}`);
    }
    // Its mode may forbid writing, and writing changes its time.
    await this.#entry([["k", "D"], ...this.#attributes(below, found)]);
  }

  async #file(path: string, below: string, found: BigIntStats): Promise<void> {
    using file = await this.#own(Deno.open(path));
    this.#counts.files++;
    await this.#entry([["k", "f"], ...this.#attributes(below, found)]);
    for (;;) {
      const count = await this.#own(file.read(this.#buffer));
      if (count === null) break;
      this.#counts.bytes += count;
      await this.#put(FrameType.data, this.#buffer.subarray(0, count));
    }
    await this.#put(FrameType.end, new Uint8Array());
  }

  #attributes(below: string, found: BigIntStats): Field[] {
    const fields: Field[] = [["p", below], ["m", (found.mode & 0o7777n).toString(8)]];
    if (this.#owners) fields.push(["o", `${found.uid}`], ["g", `${found.gid}`]);
    fields.push(["t", formatTime(found.mtimeNs)]);
    return fields;
  }

  async #entry(fields: readonly Field[]): Promise<void> {
    await this.#put(FrameType.entry, encodeFields(fields));
  }

  async #put(type: number, payload: Uint8Array): Promise<void> {
    if (this.#isAnswered) throw new Answered();
    if (this.#control.gather(type, payload)) await this.#control.flush();
  }

  #skip(path: string, reason: string): void {
    this.#skipped.push({ path, reason });
  }

  /** Waits for something of this host's own. */
  async #own<T>(promise: Promise<T>): Promise<T> {
    try {
      return await promise;
    } catch (error) {
      throw this.#fault(error);
    }
  }

  #fault(error: unknown): unknown {
    this.isHostsFault = true;
    return error;
  }
}

function gone(error: unknown): undefined {
  if ((error as { code?: unknown }).code !== "ENOENT") throw error;
}

/** Seconds and nanoseconds; the latter count forward, also before 1970. */
function formatTime(nanoseconds: bigint): string {
  const rest = BigInt.asUintN(64, (nanoseconds % 1_000_000_000n + 1_000_000_000n) % 1_000_000_000n);
  const seconds = (nanoseconds - rest) / 1_000_000_000n;
  return `${seconds}.${`${rest}`.padStart(9, "0")}`;
}
