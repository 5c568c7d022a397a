/**
 * The socket file that clients on the host connect to: made, and removed, in the main isolate.
 *
 * The file can be used by its owner only (mode 0600). Where it exists already, a connection is tried: if somebody
 * takes it, the path is in use; if it is refused, its process has ended without removing it, and it is replaced.
 * A file of any other kind is left alone.
 * @module
 */
import {
  connectUnix,
  EACCES,
  EADDRINUSE,
  EAGAIN,
  ECONNREFUSED,
  ENOENT,
  EPERM,
  EROFS,
  errnoName,
  Fd,
  listenUnix,
  SOCKET_PATH_LIMIT,
  SysError,
} from "../../../src/ffi/mod.ts";
import { DeviceError } from "../module.ts";

/** How many clients may wait to be taken. */
const BACKLOG = 128;

/** What a socket is for. */
export interface SocketPurpose {
  /** Whose it is, for messages: `"the vsock device"`. */
  readonly owner: string;
  /** What is put behind the path at most for sockets beside it, `_PORT`; nothing when left out. */
  readonly suffix?: { readonly shape: string; readonly length: number };
}

/** A socket that listens at a path, with its file. */
export class SocketListener implements Disposable {
  readonly #fd: Fd;
  readonly #inode: number | null;

  /** @throws {DeviceError} that says what's wrong with the path, and the remedy */
  constructor(readonly path: string, purpose: SocketPurpose) {
    checkPath(path, purpose);
    const what = `the socket ${path} of ${purpose.owner}`;
    this.#fd = listen(path, what);
    this.#inode = Deno.lstatSync(path).ino;
  }

  /** The descriptor that listens. */
  get raw(): number {
    return this.#fd.raw;
  }

  /** Closes the socket and removes its file, if it's still this one's. */
  [Symbol.dispose](): void {
    if (this.#fd.closed) return;
    this.#fd.close();
    try {
      if (Deno.lstatSync(this.path).ino === this.#inode) Deno.removeSync(this.path);
    } catch (error) {
      // Somebody has removed it, or its directory.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

function checkPath(path: string, { suffix }: SocketPurpose): void {
  const length = new TextEncoder().encode(path).length;
  const most = SOCKET_PATH_LIMIT - (suffix?.length ?? 0);
  if (length <= most) return;
  const room = suffix === undefined ? "" : `with ${suffix.shape} behind it `;
  throw new DeviceError(
    `uds: ${path} is ${length} bytes long, and ${room}there is room for ${most}; use a shorter path, ` +
      "such as one in /run, or a relative one",
  );
}

function listen(path: string, what: string): Fd {
  try {
    return listenPrivately(path, what);
  } catch (error) {
    if (!(error instanceof SysError) || error.errno !== EADDRINUSE) throw explained(path, error);
  }
  removeStale(path);
  try {
    return listenPrivately(path, what);
  } catch (error) {
    throw explained(path, error);
  }
}

/** Not for a moment may anybody else connect; so it's not enough to change the mode afterwards. */
function listenPrivately(path: string, what: string): Fd {
  const before = Deno.umask(0o177);
  try {
    return listenUnix(path, BACKLOG, what);
  } finally {
    Deno.umask(before);
  }
}

/** Removes a socket that nobody listens to. @throws {DeviceError} it's something else */
function removeStale(path: string): void {
  const info = Deno.lstatSync(path);
  if (!info.isSocket) {
    const kind = info.isDirectory ? "a directory" : info.isSymlink ? "a symbolic link" : "a file";
    throw new DeviceError(
      `uds: ${path} is ${kind}; give a path that doesn't exist yet, or remove it`,
    );
  }
  const raw = connectUnix(path);
  if (raw >= 0) new Fd(raw, "a trial").close();
  if (raw >= 0 || raw === -EAGAIN) {
    throw new DeviceError(
      `uds: another process listens at ${path}, perhaps another machine; give each its own path`,
    );
  }
  if (raw !== -ECONNREFUSED) {
    throw new DeviceError(
      `uds: ${path} is a socket that can't be connected to (${errnoName(-raw)}); ` +
        `give another path, or remove it`,
    );
  }
  Deno.removeSync(path);
}

function explained(path: string, error: unknown): unknown {
  if (!(error instanceof SysError)) return error;
  const directory = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) || "/" : ".";
  switch (error.errno) {
    case ENOENT:
      return new DeviceError(
        `uds: there is no directory ${directory} for the socket; make it: mkdir -p ${directory}`,
        { cause: error },
      );
    case EACCES:
    case EPERM:
    case EROFS:
      return new DeviceError(
        `uds: a socket can't be made in ${directory} (${error.code}); ` +
          `give a path in a directory that you may write to`,
        { cause: error },
      );
    default:
      return new DeviceError(`uds: ${error.message}`, { cause: error });
  }
}
