/**
 * Folders of the host that are a user's alone: what is in them, nobody else has put or may put there.
 *
 * | what another user controls | what bounds it |
 * | --- | --- |
 * | a file, link or folder of that name under /tmp before we come | it's refused unless it is a folder of ours with mode 0700 |
 * | XDG_RUNTIME_DIR, where sudo keeps it | it's passed over unless it is ours, and only we may write to it |
 * @module
 */

/** What decides where a user's folders are. */
export interface Surroundings {
  /** XDG_RUNTIME_DIR of the environment. */
  readonly runtime: string | undefined;
  /** The user's number. */
  readonly uid: number;
  /** Where the system keeps what lasts until it is shut down. */
  readonly run: string;
  /** Where everybody may write. */
  readonly temporary: string;
}

/** A folder can't be made, or is not the user's alone; the message says what to do about it. */
export class FolderError extends Error {
  override readonly name = "FolderError";
}

/** Of this process. @throws {FolderError} the system has no users */
export function surroundings(): Surroundings {
  const uid = Deno.uid();
  if (uid === null) {
    throw new FolderError("this system has no users whose folders could be kept apart");
  }
  return { runtime: Deno.env.get("XDG_RUNTIME_DIR"), uid, run: "/run", temporary: "/tmp" };
}

/** Permissions of anybody but the owner. */
const OTHERS = 0o077;
/** Permissions to write, of anybody but the owner. */
const OTHERS_WRITE = 0o022;
const PERMISSIONS = 0o7777;

/** A folder that nobody but its user may enter. It lasts until the system is shut down. */
export class OwnFolder {
  /**
   * Where it is: below the user's own folder of the session (XDG Base Directory Specification), else where the system
   * has it; root's is in /run, any other's in /tmp.
   */
  readonly path: string;
  readonly #what: string;
  readonly #uid: number;

  /**
   * @param name the name below the session's folder
   * @param what what errors call it, as in "the folder of the control sockets"
   * @throws {FolderError} the system has no users
   */
  constructor(name: string, what: string, around: Surroundings = surroundings()) {
    const { runtime, uid, run, temporary } = around;
    const sessions = [runtime, `${run}/user/${uid}`];
    const session = sessions.find((path) => path?.startsWith("/") && mayKeepFolders(path, uid));
    if (session !== undefined) this.path = `${session}/${name}`;
    else this.path = uid === 0 ? `${run}/${name}` : `${temporary}/${name}-${uid}`;
    this.#what = what;
    this.#uid = uid;
  }

  /** Whether there is something of that name. */
  isThere(): boolean {
    return stat(this.path) !== undefined;
  }

  /**
   * Makes sure that there is the folder, and that it is safe.
   *
   * @throws {FolderError} it can't be made, or it is not the user's alone
   */
  ensure(): void {
    try {
      Deno.mkdirSync(this.path, { mode: 0o700 });
    } catch (cause) {
      if (!(cause instanceof Deno.errors.AlreadyExists)) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new FolderError(
          `${this.#what}, ${this.path}, can't be made: ${reason} ` +
            "(XDG_RUNTIME_DIR may name a folder of yours to put it in)",
          { cause },
        );
      }
    }
    this.check();
  }

  /** @throws {FolderError} the folder is not there, or not the user's alone */
  check(): void {
    const info = stat(this.path);
    if (info === undefined) throw this.#unsafe("it can't be seen", "look at the folder above it");
    if (!info.isDirectory) throw this.#unsafe("it is not a folder", "remove it");
    if (info.uid !== this.#uid) {
      const owner = `it belongs to user ${info.uid}, not to ${this.#uid}`;
      throw this.#unsafe(owner, "remove it, or set XDG_RUNTIME_DIR");
    }
    const mode = (info.mode ?? OTHERS) & PERMISSIONS;
    if ((mode & OTHERS) !== 0) {
      const remedy = `chmod 700 ${this.path}`;
      throw this.#unsafe(`others may use it, for its mode is ${mode.toString(8)}`, remedy);
    }
  }

  #unsafe(problem: string, remedy: string): FolderError {
    return new FolderError(`${this.#what}, ${this.path}, is not safe: ${problem} (${remedy})`);
  }
}

/** Whether a folder is one that the user alone may write to. */
function mayKeepFolders(path: string, uid: number): boolean {
  const info = stat(path);
  return info !== undefined && info.isDirectory && info.uid === uid &&
    ((info.mode ?? OTHERS) & OTHERS_WRITE) === 0;
}

function stat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch {
    // Nobody but the one who needs the folder has to know why it can't be seen.
    return undefined;
  }
}
