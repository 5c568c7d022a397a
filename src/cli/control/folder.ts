/**
 * The folder of the control sockets: one for each user, which nobody else may enter.
 *
 * | what another user controls | what bounds it |
 * | --- | --- |
 * | a file, link or folder of that name under /tmp before we come | it's refused unless it is a folder of ours with mode 0700 |
 * | XDG_RUNTIME_DIR, where sudo keeps it | it's passed over unless it is ours, and only we may write to it |
 * | the sockets | they are 0600, in a folder that only its owner may search |
 * @module
 */
import { HostError } from "../errors.ts";

/** What decides where the folder is. */
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

/** Of this process. */
export function surroundings(): Surroundings {
  const uid = Deno.uid();
  if (uid === null) {
    throw new HostError("this system has no users whose sockets could be kept apart");
  }
  return { runtime: Deno.env.get("XDG_RUNTIME_DIR"), uid, run: "/run", temporary: "/tmp" };
}

/** Permissions of anybody but the owner. */
const OTHERS = 0o077;
/** Permissions to write, of anybody but the owner. */
const OTHERS_WRITE = 0o022;
const PERMISSIONS = 0o7777;

function stat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch {
    // Nobody but the one who needs the folder has to know why it can't be seen.
    return undefined;
  }
}

/** Whether a folder is one that the user alone may write to. */
function isOwn(path: string, uid: number): boolean {
  const info = stat(path);
  return info !== undefined && info.isDirectory && info.uid === uid &&
    ((info.mode ?? OTHERS) & OTHERS_WRITE) === 0;
}

/**
 * Where the folder is: below the user's own folder of the session (XDG Base Directory Specification), else where the
 * system has it; root's is in /run, any other's in /tmp.
 */
export function folderPath({ runtime, uid, run, temporary }: Surroundings): string {
  const sessions = [runtime, `${run}/user/${uid}`];
  const session = sessions.find((path) => path?.startsWith("/") && isOwn(path, uid));
  if (session !== undefined) return `${session}/denovisor`;
  return uid === 0 ? `${run}/denovisor` : `${temporary}/denovisor-${uid}`;
}

/** Whether there is the folder. */
export function hasFolder(path: string): boolean {
  return stat(path) !== undefined;
}

/**
 * Makes sure that there is the folder, and that it is safe.
 *
 * @throws {HostError} it can't be made, or it is not the user's alone
 */
export function ensureFolder(path: string, uid: number): void {
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new HostError(
        `the folder of the control sockets, ${path}, can't be made: ${reason} ` +
          "(XDG_RUNTIME_DIR may name a folder of yours to put it in)",
        { cause },
      );
    }
  }
  checkFolder(path, uid);
}

/** @throws {HostError} the folder is not the user's alone */
export function checkFolder(path: string, uid: number): void {
  const info = stat(path);
  const refuse = (problem: string, remedy: string) =>
    new HostError(
      `the folder of the control sockets, ${path}, is not safe: ${problem} (${remedy})`,
    );
  if (info === undefined) throw refuse("it can't be looked at", "look at the folder above it");
  if (!info.isDirectory) throw refuse("it is not a folder", "remove it");
  if (info.uid !== uid) {
    throw refuse(
      `it belongs to user ${info.uid}, not to ${uid}`,
      "remove it, or set XDG_RUNTIME_DIR",
    );
  }
  const mode = (info.mode ?? OTHERS) & PERMISSIONS;
  if ((mode & OTHERS) !== 0) {
    throw refuse(`others may use it, for its mode is ${mode.toString(8)}`, `chmod 700 ${path}`);
  }
}
