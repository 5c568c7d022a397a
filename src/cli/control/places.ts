/**
 * The control sockets of all machines of a user: who has which name.
 *
 * A machine's socket is there from the claim of its name to the end of its process. One that was killed leaves its
 * socket behind, on which nobody listens; whoever needs the name or lists the machines removes it. All of that is done
 * under a lock, so that no two processes take one name, and none removes a socket that another has just made.
 * @module
 */
import { OwnFolder, type Surroundings, surroundings } from "../../host/own_folder.ts";
import { HostError, type StatusError, UsageError } from "../errors.ts";
import { EXIT_NO_MACHINE } from "../exit_status.ts";
import { isName } from "./name.ts";

const SUFFIX = ".sock";
/** No machine's file is called so: a name begins with a letter or digit. */
const LOCK = ".lock";
/** The most bytes of a socket's path: struct sockaddr_un has room for 108 with the NUL. */
const PATH_LIMIT = 107;

/** Sockets of mode 0600, in a folder that only its owner may search: nobody else connects to one. */
function folderOf(around: Surroundings): OwnFolder {
  return new OwnFolder("denovisor", "the folder of the control sockets", around);
}

/** No machine has the name. */
export class NoMachineError extends Error implements StatusError {
  override readonly name = "NoMachineError";
  readonly exitStatus = EXIT_NO_MACHINE;

  constructor(readonly machine: string) {
    super(`no machine named ${machine} runs (denovisor ps lists those that do)`);
  }
}

/** A name that is taken, and the socket that is listened on for it. */
export interface Claim extends Disposable {
  readonly name: string;
  readonly listener: Deno.UnixListener;
  /** Gives the name back. A second call does nothing. */
  [Symbol.dispose](): void;
}

/** The sockets of one user. */
export class Places {
  private constructor(readonly folder: string) {}

  /**
   * The sockets of this process's user.
   *
   * @throws {FolderError} their folder can't be made, or is not safe
   */
  static open(around: Surroundings = surroundings()): Places {
    const folder = folderOf(around);
    folder.ensure();
    return new Places(folder.path);
  }

  /**
   * The same, where there may be none: a folder is not made for who only looks.
   *
   * @throws {FolderError} their folder is not safe
   */
  static find(around: Surroundings = surroundings()): Places | undefined {
    const folder = folderOf(around);
    if (!folder.isThere()) return undefined;
    folder.check();
    return new Places(folder.path);
  }

  /** The path of a machine's socket. @throws {UsageError} it would be too long */
  path(name: string): string {
    const path = `${this.folder}/${name}${SUFFIX}`;
    const { length } = new TextEncoder().encode(path);
    if (length <= PATH_LIMIT) return path;
    throw new UsageError(
      `the path of the control socket, ${path}, is ${length} bytes long, and Linux allows ${PATH_LIMIT}: ` +
        "choose a shorter name",
    );
  }

  /**
   * Takes a name.
   *
   * @throws {UsageError} a machine has it
   * @throws {HostError} there's something else in its place
   */
  async claim(name: string): Promise<Claim> {
    const path = this.path(name);
    using _lock = await this.#lock();
    if (await this.#isAlive(path)) {
      throw new UsageError(
        `--name: a machine named ${name} runs already (choose another name, or end that machine: ` +
          `denovisor stop ${name})`,
      );
    }
    // Deno removes a listener's path when that is closed. It's one that nobody else can come to have.
    const maiden = `${this.folder}/.${Deno.pid}`;
    removeIfThere(maiden);
    const listener = Deno.listen({ transport: "unix", path: maiden });
    try {
      Deno.chmodSync(maiden, 0o600);
      Deno.renameSync(maiden, path);
    } catch (error) {
      listener.close();
      throw error;
    }
    return new Claimed(name, path, listener);
  }

  /** The names of the machines that run, in order; what killed ones have left is removed. */
  async names(): Promise<string[]> {
    using _lock = await this.#lock();
    const found: string[] = [];
    for (const { name: file, isSocket } of entries(this.folder)) {
      const name = file.slice(0, -SUFFIX.length);
      if (!isSocket || !file.endsWith(SUFFIX) || !isName(name)) continue;
      if (await this.#isAlive(`${this.folder}/${file}`)) found.push(name);
    }
    return found.sort();
  }

  /** Connects to a machine. @throws {NoMachineError} */
  async connect(name: string): Promise<Deno.UnixConn> {
    try {
      return await Deno.connect({ transport: "unix", path: this.path(name) });
    } catch (error) {
      if (isNobody(error)) throw new NoMachineError(name);
      throw error;
    }
  }

  /** Whether a process listens at a path; a socket on which none does is removed. The folder is locked. */
  async #isAlive(path: string): Promise<boolean> {
    try {
      const connection = await Deno.connect({ transport: "unix", path });
      connection.close();
      return true;
    } catch (error) {
      if (!isNobody(error)) {
        // A listener that is stopped by a signal, for one, with as many connections waiting as it may have.
        return true;
      }
    }
    const info = lstat(path);
    if (info === undefined) return false;
    if (!info.isSocket) {
      throw new HostError(`${path} is in the way of a control socket, and is none (remove it)`);
    }
    removeIfThere(path);
    return false;
  }

  async #lock(): Promise<Disposable> {
    const file = await Deno.open(`${this.folder}/${LOCK}`, {
      create: true,
      write: true,
      mode: 0o600,
    });
    try {
      await file.lock(true);
      return file;
    } catch (error) {
      file.close();
      throw error;
    }
  }
}

class Claimed implements Claim {
  #isOurs = true;

  constructor(
    readonly name: string,
    private readonly path: string,
    readonly listener: Deno.UnixListener,
  ) {}

  [Symbol.dispose](): void {
    if (!this.#isOurs) return;
    this.#isOurs = false;
    // As long as we listen nobody takes the path away, so that it is still ours now.
    removeIfThere(this.path);
    this.listener.close();
  }
}

/** Whether a connection failed because nobody listens. */
function isNobody(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused;
}

function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** What is in a folder, with what each is. */
function* entries(folder: string): Generator<{ name: string; isSocket: boolean }> {
  for (const { name } of Deno.readDirSync(folder)) {
    yield { name, isSocket: lstat(`${folder}/${name}`)?.isSocket === true };
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
