/**
 * Stream sockets in the file system (unix(7)), all of them non-blocking and closed on exec.
 *
 * Bytes travel through `readv` and `writev`. What a peer or a guest can cause at any rate ({@linkcode connectUnix},
 * {@linkcode acceptUnix}, {@linkcode shutdownSocket}) returns a negative errno and doesn't throw.
 * @module
 */
import { check, EINTR, errno, outcome, SysError } from "./errno.ts";
import { Fd, O_CLOEXEC, O_NONBLOCK } from "./fd.ts";
import { libc } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
// SOCK_NONBLOCK and SOCK_CLOEXEC are the flags of open(2) (include/linux/net.h).
const STREAM = SOCK_STREAM | O_NONBLOCK | O_CLOEXEC;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_PEERCRED = 17;

/** Which halves of a connection shutdown(2) ends. */
export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

/** The most bytes of a socket's path: struct sockaddr_un has room for 108 with the NUL. */
export const SOCKET_PATH_LIMIT = 107;

/** A path that no socket can have. */
export class SocketPathError extends Error {
  override readonly name = "SocketPathError";

  constructor(readonly path: string, reason: string) {
    super(`the socket path ${JSON.stringify(path)} ${reason}`);
  }
}

/** struct sockaddr_un with its path. @throws {SocketPathError} */
function address(path: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(path);
  if (bytes.length === 0) throw new SocketPathError(path, "is empty");
  if (bytes.includes(0)) throw new SocketPathError(path, "contains a NUL character");
  if (bytes.length > SOCKET_PATH_LIMIT) {
    const limit = `Linux allows ${SOCKET_PATH_LIMIT}: use a shorter or a relative path`;
    throw new SocketPathError(path, `is ${bytes.length} bytes long, and ${limit}`);
  }
  const sockaddr = new Uint8Array(2 + bytes.length + 1);
  sockaddr[0] = AF_UNIX;
  sockaddr.set(bytes, 2);
  return sockaddr;
}

/**
 * Makes a socket at `path` and listens there. The file stays when the socket is closed; its maker removes it.
 *
 * @param backlog how many connections may wait to be accepted
 * @throws {SocketPathError}
 * @throws {SysError} EADDRINUSE: there's a file at `path`, perhaps of a process that has ended; ENOENT, EACCES: its
 *   directory
 */
export function listenUnix(path: string, backlog: number, what: string): Fd {
  const sockaddr = address(path);
  const fd = new Fd(check(libc.socket(AF_UNIX, STREAM, 0), "socket(AF_UNIX)", what), what);
  try {
    check(libc.bind(fd.raw, sockaddr, sockaddr.length), `bind("${path}")`, what);
    check(libc.listen(fd.raw, backlog), "listen", what);
    return fd;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/**
 * Takes a connection that waits.
 *
 * @returns its descriptor, which the caller owns; a negative errno: EAGAIN where none waits; EMFILE, ENFILE, ENOMEM
 */
export function acceptUnix(fd: number): number {
  for (;;) {
    const raw = outcome(libc.accept4(fd, null, null, O_NONBLOCK | O_CLOEXEC));
    if (raw !== -EINTR) return raw;
  }
}

/**
 * Connects to who listens at `path`. That takes no time: the connection is there when this returns, if only in
 * the listener's backlog.
 *
 * @returns its descriptor, which the caller owns; a negative errno: ENOENT, ECONNREFUSED where nobody listens;
 *   EAGAIN where the backlog is full; EACCES
 * @throws {SocketPathError}
 */
export function connectUnix(path: string): number {
  const sockaddr = address(path);
  const raw = libc.socket(AF_UNIX, STREAM, 0);
  if (raw < 0) return -errno();
  for (;;) {
    if (libc.connect(raw, sockaddr, sockaddr.length) === 0) return raw;
    const code = errno();
    if (code === EINTR) continue;
    libc.close(raw);
    return -code;
  }
}

/** Two sockets that are connected to each other. @throws {SysError} */
export function socketPair(what: string): [Fd, Fd] {
  const pair = new Int32Array(2);
  const result = libc.socketpair(AF_UNIX, STREAM, 0, new Uint8Array(pair.buffer));
  check(result, "socketpair", what);
  return [new Fd(pair[0], what), new Fd(pair[1], what)];
}

/** shutdown(2). @param how SHUT_* @returns 0, or a negative errno */
export function shutdownSocket(fd: number, how: number): number {
  return outcome(libc.shutdown(fd, how));
}

/** Takes the error that has happened to a socket (SO_ERROR); 0: none. @throws {SysError} for what is no socket */
export function socketError(fd: number, what: string): number {
  return socketOption(fd, SO_ERROR, "SO_ERROR", 1, what)[0];
}

/** Who has connected: struct ucred (unix(7)). */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * The process at the other end of a connection, as it was when it connected (SO_PEERCRED); the kernel vouches for it.
 *
 * @throws {SysError} for what is no socket
 */
export function peerCredentials(fd: number, what: string): PeerCredentials {
  const [pid, uid, gid] = socketOption(fd, SO_PEERCRED, "SO_PEERCRED", 3, what);
  // uid_t and gid_t are unsigned: what has no number in our user namespace is 65534, none is 2^32 - 1.
  return { pid, uid: uid >>> 0, gid: gid >>> 0 };
}

/** An option of SOL_SOCKET that is so many ints. @throws {SysError} */
function socketOption(
  fd: number,
  option: number,
  name: string,
  ints: number,
  what: string,
): Int32Array {
  const value = new Int32Array(ints);
  const length = new Uint32Array([value.byteLength]);
  const result = libc.getsockopt(
    fd,
    SOL_SOCKET,
    option,
    new Uint8Array(value.buffer),
    new Uint8Array(length.buffer),
  );
  if (result < 0) throw new SysError(`getsockopt(${name})`, errno(), what);
  return value;
}
