/**
 * A guest's agent, as the host talks to it.
 * @module
 */
import { type CallOptions, Link } from "./call.ts";
import type { SpawnOptions } from "./command.ts";
import { copyIn, type CopyInOptions, type CopyResult } from "./copy_in.ts";
import { copyOut, type CopyOutOptions } from "./copy_out.ts";
import { type ExecOptions, type ExecResult, execute } from "./exec.ts";
import {
  ask,
  type GuestDirEntry,
  type GuestFileInfo,
  octal,
  openFile,
  readDir,
  readFile,
  type ReadOptions,
  stat,
  writeFile,
  type WriteOptions,
} from "./files.ts";
import { GuestProcess } from "./process.ts";
import { type Field, FrameType } from "./protocol.ts";
import type { AgentTransport } from "./transport.ts";

/** How a folder is made. */
export interface MakeDirOptions extends CallOptions {
  /** Makes those above it, too, and takes one that is there already. */
  readonly recursive?: boolean;
  /** Its permission bits; 0o755 by default. */
  readonly mode?: number;
}

/** How something is removed. */
export interface RemoveOptions extends CallOptions {
  /** Removes a folder with all that is in it, but nothing of other file systems. */
  readonly recursive?: boolean;
}

/** What a guest tells of itself. */
export interface GuestInfo {
  /** Its kernel, as `uname -r` prints it. */
  readonly kernel: string;
  readonly hostname: string;
  /** Its architecture, as `uname -m` prints it. */
  readonly machine: string;
  /** Seconds since its kernel began. */
  readonly uptime: number;
  /** Bytes of memory that its kernel has, and that are free. */
  readonly memory: { readonly total: number; readonly free: number };
  readonly processes: number;
}

/**
 * A running guest: its commands and its files.
 *
 * Everything waits until the agent is ready. Each request may be given up by a signal or a timeout, and is then ended
 * in the guest, too. When the guest dies in the middle, everything that waits fails at once with a
 * {@linkcode GuestGoneError} that has the reason. What the guest refuses is a {@linkcode GuestRefusedError} with the
 * errno's name; what makes no sense a {@linkcode ProtocolError}.
 *
 * Paths in the guest are absolute, or begin at its root.
 */
export class Guest {
  readonly #link: Link;

  /** @param transport stays its maker's, who disposes of it */
  constructor(transport: AgentTransport) {
    this.#link = new Link(transport);
  }

  /** Resolves when the agent listens. @throws {GuestGoneError} (rejects) the machine is gone before */
  get ready(): Promise<void> {
    return this.#link.ready;
  }

  /**
   * Runs a command to its end, and gives what it has printed.
   *
   * @param command the program, looked for in the PATH of its environment as by execvp(3), and its arguments
   * @throws {GuestRefusedError} there is no such program, user or folder
   */
  exec(command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return execute(this.#link, command, options);
  }

  /**
   * Starts a command, and gives what it's talked to by.
   *
   * @param command as for {@linkcode exec}
   * @throws {GuestRefusedError} there is no such program, user or folder
   */
  spawn(command: readonly string[], options: SpawnOptions = {}): Promise<GuestProcess> {
    return GuestProcess.start(this.#link, command, options);
  }

  /** Reads a whole file. @throws {GuestRefusedError} it can't be read */
  readFile(path: string, options: ReadOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    return readFile(this.#link, path, options);
  }

  /** Reads a whole file as UTF-8. @throws {GuestRefusedError} it can't be read */
  async readTextFile(path: string, options: ReadOptions = {}): Promise<string> {
    return new TextDecoder().decode(await readFile(this.#link, path, options));
  }

  /** Reads a file as it comes, which may be larger than memory. @throws {GuestRefusedError} it can't be opened */
  openFile(
    path: string,
    options: ReadOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return openFile(this.#link, path, options);
  }

  /** Writes a file. @throws {GuestRefusedError} it can't be written; some of it may have been */
  writeFile(
    path: string,
    data: string | Uint8Array | ReadableStream<Uint8Array>,
    options: WriteOptions = {},
  ): Promise<void> {
    return writeFile(this.#link, path, data, options);
  }

  /** Looks at a file, through symbolic links. @throws {GuestRefusedError} there is none */
  stat(path: string, options: CallOptions = {}): Promise<GuestFileInfo> {
    return stat(this.#link, path, true, options);
  }

  /** Looks at a file, or at a symbolic link itself. @throws {GuestRefusedError} there is none */
  lstat(path: string, options: CallOptions = {}): Promise<GuestFileInfo> {
    return stat(this.#link, path, false, options);
  }

  /** What is in a folder, by name. @throws {GuestRefusedError} it can't be read */
  readDir(path: string, options: CallOptions = {}): Promise<GuestDirEntry[]> {
    return readDir(this.#link, path, options);
  }

  /** Makes a folder. @throws {GuestRefusedError} */
  async mkdir(path: string, options: MakeDirOptions = {}): Promise<void> {
    const fields: Field[] = [["p", path]];
    if (options.mode !== undefined) fields.push(["m", octal(options.mode)]);
    if (options.recursive) fields.push(["r", ""]);
    await ask(this.#link, options, `make ${path}`, FrameType.makeFolder, fields);
  }

  /** Removes a file, a link, or a folder. @throws {GuestRefusedError} with what could not be removed */
  async remove(path: string, options: RemoveOptions = {}): Promise<void> {
    const fields: Field[] = options.recursive ? [["p", path], ["r", ""]] : [["p", path]];
    await ask(this.#link, options, `remove ${path}`, FrameType.remove, fields);
  }

  /**
   * Copies a file, or a folder with all that is in it, from the host into the guest: modes, owners, times, symbolic
   * links and hard links are kept. A folder's contents are added to those of `guestPath`, where that is a folder;
   * folders above it are made.
   *
   * @throws {GuestRefusedError} something can't be written; what came before it is there
   */
  copyIn(hostPath: string, guestPath: string, options: CopyInOptions = {}): Promise<CopyResult> {
    return copyIn(this.#link, hostPath, guestPath, options);
  }

  /**
   * Copies a file, or a folder with all that is in it, from the guest to the host, likewise. Owners are kept only if
   * it's asked for. Nothing outside of `hostPath` is written, whatever the guest sends.
   *
   * @throws {GuestRefusedError} something can't be read
   * @throws {GuestError} something on the host is in the way, or there's more than the limits allow
   */
  copyOut(guestPath: string, hostPath: string, options: CopyOutOptions = {}): Promise<CopyResult> {
    return copyOut(this.#link, guestPath, hostPath, options);
  }

  /** What the guest tells of itself. */
  async info(options: CallOptions = {}): Promise<GuestInfo> {
    const fields = await ask(this.#link, options, "tell of itself", FrameType.info, []);
    return {
      kernel: fields.text("k"),
      hostname: fields.text("h"),
      machine: fields.text("a"),
      uptime: fields.number("u"),
      memory: { total: fields.number("t"), free: fields.number("f") },
      processes: fields.number("p"),
    };
  }

  /** Has what was written reach the guest's disks. */
  async sync(options: CallOptions = {}): Promise<void> {
    await ask(this.#link, options, "write to its disks", FrameType.sync, []);
  }

  /**
   * Ends the guest: its programs are asked to end, then made to, disks are written, and the machine is powered off.
   * Resolves when that has begun.
   */
  async poweroff(options: CallOptions = {}): Promise<void> {
    await ask(this.#link, options, "power off", FrameType.power, [["k", "off"]]);
  }

  /** Restarts the guest, likewise. What becomes of the machine is the machine's to say. */
  async reboot(options: CallOptions = {}): Promise<void> {
    await ask(this.#link, options, "reboot", FrameType.power, [["k", "reboot"]]);
  }
}
