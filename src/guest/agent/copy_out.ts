/**
 * Copies files and trees from a guest to the host.
 *
 * | the guest controls           | what bounds it                                                                   |
 * | ---------------------------- | -------------------------------------------------------------------------------- |
 * | paths                        | names only, one below the folder that is open: a folder is made or found to be a real one before anything goes into it |
 * | links                        | never followed: files are made anew, and a link or file in their place is removed first |
 * | where second names lead      | to a file below the target, by real folders                                      |
 * | modes                        | the bits that run programs as somebody else are dropped, unless owners are wanted |
 * | how many, how much           | `maxEntries` and `maxBytes`                                                      |
 * | times                        | any that the host's file system takes                                            |
 * @module
 */
import { promises as fs } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Call, type CallOptions, type Link, unexpected } from "./call.ts";
import type { Channel } from "./channel.ts";
import type { CopyResult, SkippedFile } from "./copy_in.ts";
import { GuestError } from "./errors.ts";
import { fileKind, parseTime } from "./files.ts";
import { decodeFields, type Fields, FrameType, ProtocolError } from "./protocol.ts";

/** How files are copied out of a guest. */
export interface CopyOutOptions extends CallOptions {
  /**
   * Whether owners are kept, by their numbers, and the bits by which a program is run as its owner; false by default,
   * since a program that a guest has made should not run as the host's root. Needs root.
   */
  readonly owners?: boolean;
  /** The most bytes that files may have in all, before it's an error: 16 GiB by default. */
  readonly maxBytes?: number;
  /** The most files, folders and links: a million by default. */
  readonly maxEntries?: number;
}

const MAX_BYTES = 16 * 2 ** 30;
const MAX_ENTRIES = 1_000_000;
const MAX_ID = 0xffff_fffe;
/** As deep as the agent goes. */
const MAX_LEVELS = 520;

/** Copies; see {@linkcode Guest.copyOut}. */
export async function copyOut(
  link: Link,
  guestPath: string,
  hostPath: string,
  options: CopyOutOptions,
): Promise<CopyResult> {
  const { call, control } = await Call.open(
    link,
    options,
    `copy ${guestPath} to ${hostPath}`,
    FrameType.pack,
    [["p", guestPath]],
  );
  using _ = call;
  const copy = new CopyOut(call, control, resolve(hostPath), options);
  await copy.receive();
  return copy.result;
}

/** One tree on its way. */
class CopyOut {
  readonly #call: Call;
  readonly #control: Channel;
  readonly #root: string;
  readonly #owners: boolean;
  readonly #maxBytes: number;
  readonly #maxEntries: number;
  /** The folders that are open, each in the one before. The root is the empty one. */
  readonly #open: string[] = [];
  readonly #skipped: SkippedFile[] = [];
  readonly #counts = { files: 0, directories: 0, links: 0, bytes: 0 };
  #entries = 0;

  constructor(call: Call, control: Channel, root: string, options: CopyOutOptions) {
    this.#call = call;
    this.#control = control;
    this.#root = root;
    this.#owners = options.owners ?? false;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#maxEntries = options.maxEntries ?? MAX_ENTRIES;
  }

  get result(): CopyResult {
    return { ...this.#counts, skipped: this.#skipped };
  }

  async receive(): Promise<void> {
    for (;;) {
      const frame = await this.#call.read(this.#control);
      if (frame.type === FrameType.end) {
        if (this.#entries === 0 || this.#open.length > 0) throw unexpected(frame);
        return;
      }
      if (frame.type !== FrameType.entry && frame.type !== FrameType.skipped) {
        throw unexpected(frame);
      }
      const fields = decodeFields(frame.payload);
      if (fields.get("k") !== "D" && ++this.#entries > this.#maxEntries) {
        throw new GuestError(`the guest has more than ${this.#maxEntries} files (maxEntries)`);
      }
      if (frame.type === FrameType.skipped) this.#skip(fields);
      else await this.#entry(fields);
    }
  }

  #skip(fields: Fields): void {
    const letter = fields.text("k");
    const kind = fileKind(letter);
    const reason = kind === "other" ? "a name in it is not UTF-8" : `it is a ${kind}`;
    this.#skipped.push({ path: fields.text("p"), reason });
  }

  async #entry(fields: Fields): Promise<void> {
    const kind = fields.text("k");
    const below = fields.text("p");
    if (kind === "D") return await this.#endFolder(below, fields);
    const path = this.#place(below);
    if (path === this.#root && kind !== "d" && kind !== "f") {
      throw new ProtocolError("the guest's agent sends a link in place of what was asked for");
    }
    switch (kind) {
      case "d":
        return await this.#folder(below, path);
      case "f":
        return await this.#file(path, fields);
      case "l":
        await this.#clear(path);
        await fs.symlink(fields.text("l"), path);
        this.#counts.links++;
        return await this.#linkAttributes(path, fields);
      case "h":
        return await this.#secondName(path, fields.text("l"));
      default:
        throw new ProtocolError(`the guest's agent sends a file of kind ${JSON.stringify(kind)}`);
    }
  }

  /** Where an entry goes: below the folder that is open, or in the place of the root. */
  #place(below: string): string {
    const top = this.#open.at(-1);
    if (top === undefined) {
      if (below === "" && this.#entries === 1) return this.#root;
    } else {
      const name = top === "" ? below : below.startsWith(`${top}/`) && below.slice(top.length + 1);
      if (name !== false && isName(name)) return join(this.#root, below);
    }
    throw new ProtocolError(`the guest's agent sends ${JSON.stringify(below)} where it can't be`);
  }

  async #folder(below: string, path: string): Promise<void> {
    if (this.#open.length >= MAX_LEVELS) throw new GuestError("the guest's folders are too deep");
    if (below === "") await fs.mkdir(dirname(path), { recursive: true });
    try {
      await fs.mkdir(path, { mode: 0o700 });
    } catch (error) {
      // One that is there is added to; the root may be a link to it, which its user has chosen.
      if (!isErrno(error, "EEXIST")) throw error;
      const found = below === "" ? await fs.stat(path) : await fs.lstat(path);
      if (!found.isDirectory()) {
        throw new GuestError(`${path} is there already, and no folder`, { cause: error });
      }
    }
    this.#open.push(below);
    this.#counts.directories++;
  }

  async #endFolder(below: string, fields: Fields): Promise<void> {
    if (this.#open.pop() !== below) {
      throw new ProtocolError("the guest's agent ends a folder that is not open");
    }
    await this.#attributes(below === "" ? this.#root : join(this.#root, below), fields);
  }

  async #file(path: string, fields: Fields): Promise<void> {
    if (path === this.#root) await fs.mkdir(dirname(path), { recursive: true });
    await this.#clear(path);
    {
      using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
      for (;;) {
        const frame = await this.#call.read(this.#control);
        if (frame.type === FrameType.end) break;
        if (frame.type !== FrameType.data) throw unexpected(frame);
        this.#counts.bytes += frame.payload.length;
        if (this.#counts.bytes > this.#maxBytes) {
          throw new GuestError(
            `the guest's files have more than ${this.#maxBytes} bytes (maxBytes)`,
          );
        }
        for (let at = 0; at < frame.payload.length;) {
          at += await file.write(frame.payload.subarray(at));
        }
      }
    }
    this.#counts.files++;
    await this.#attributes(path, fields);
  }

  /** Removes a file or link that is in the way; a folder never. */
  async #clear(path: string): Promise<void> {
    try {
      await fs.unlink(path);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return;
      throw new GuestError(`${path} is there already, and can't be replaced`, { cause: error });
    }
  }

  async #secondName(path: string, first: string): Promise<void> {
    const names = first.split("/");
    if (!names.every(isName)) {
      throw new ProtocolError(`the guest's agent links to ${JSON.stringify(first)}`);
    }
    let at = this.#root;
    for (const [index, name] of names.entries()) {
      at = join(at, name);
      const found = await fs.lstat(at);
      if (index < names.length - 1 ? found.isDirectory() : found.isFile()) continue;
      throw new ProtocolError(`the guest's agent links to ${JSON.stringify(first)}`);
    }
    await this.#clear(path);
    await fs.link(at, path);
    this.#counts.links++;
  }

  /** Of a file or folder that was made or found to be a real one. */
  async #attributes(path: string, fields: Fields): Promise<void> {
    const mode = fields.number("m", 8, 0o7777);
    const time = parseTime(fields.text("t"));
    if (this.#owners) await fs.lchown(path, owner(fields, "o"), owner(fields, "g"));
    await fs.chmod(path, this.#owners ? mode : mode & 0o1777);
    await fs.utimes(path, time, time);
  }

  async #linkAttributes(path: string, fields: Fields): Promise<void> {
    const time = parseTime(fields.text("t"));
    if (this.#owners) await fs.lchown(path, owner(fields, "o"), owner(fields, "g"));
    await fs.lutimes(path, time, time);
  }
}

function owner(fields: Fields, letter: string): number {
  return fields.number(letter, 10, MAX_ID);
}

/** Whether it is the name of a file in a folder, and nothing that leads elsewhere. */
function isName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !name.includes("/");
}

function isErrno(error: unknown, code: string): boolean {
  return (error as { code?: unknown }).code === code;
}
