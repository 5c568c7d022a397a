/**
 * epoll(7): many descriptors behind one that an event loop waits for.
 *
 * A poll of io_uring always reports POLLRDHUP and POLLHUP too, so that for a socket whose other end sends no more
 * it ends at once, whatever it was to wait for. Here only what is asked for is reported, with EPOLLERR and EPOLLHUP,
 * and each change once (EPOLLET).
 * @module
 */
import { check, EINTR, errno, SysError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";

/** What is waited for (sys/epoll.h); EPOLLERR and EPOLLHUP always are. */
export const EPOLLIN = 0x001;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
/** A change is reported once, not for as long as it lasts. */
const EPOLLET = 0x8000_0000;

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;

/** struct epoll_event in 32-bit words: packed on x86-64, where `data` follows `events` without a gap. */
const LAYOUT = Deno.build.arch === "x86_64" ? { words: 3, data: 1 } : { words: 4, data: 2 };

/** One epoll instance. All reports are edges: what was reported is reported again when it comes anew. */
export class Epoll implements Disposable {
  readonly #fd: Fd;
  readonly #events: Uint32Array<ArrayBuffer>;
  readonly #eventBytes: Uint8Array<ArrayBuffer>;
  readonly #change = new Uint32Array(LAYOUT.words);
  readonly #changeBytes = new Uint8Array(this.#change.buffer);
  readonly #capacity: number;

  /**
   * @param capacity how many descriptors' events {@linkcode take} takes at most
   * @param what what it is for, in errors
   * @throws {SysError} EMFILE and ENFILE among them
   */
  constructor(capacity: number, readonly what: string) {
    this.#capacity = capacity;
    this.#events = new Uint32Array(capacity * LAYOUT.words);
    this.#eventBytes = new Uint8Array(this.#events.buffer);
    this.#fd = new Fd(check(libc.epoll_create1(EPOLL_CLOEXEC), "epoll_create1", what), what);
  }

  /** The descriptor, which can be read from (POLLIN) when there is something to {@linkcode take}. */
  get raw(): number {
    return this.#fd.raw;
  }

  /**
   * Waits for a descriptor from now on, until it is closed or removed.
   *
   * @param events EPOLLIN, EPOLLOUT, EPOLLRDHUP
   * @param token a 32-bit number that its events carry
   * @returns 0, or a negative errno: ENOSPC and ENOMEM among them
   */
  add(fd: number, events: number, token: number): number {
    return this.#control(EPOLL_CTL_ADD, fd, events, token);
  }

  /** Waits for something else. What is there already is reported again. @throws {SysError} it was not added */
  change(fd: number, events: number, token: number): void {
    const result = this.#control(EPOLL_CTL_MOD, fd, events, token);
    if (result < 0) throw new SysError("epoll_ctl(EPOLL_CTL_MOD)", -result, this.what);
  }

  /** Waits for a descriptor no more. @throws {SysError} it was not added */
  remove(fd: number): void {
    const result = this.#control(EPOLL_CTL_DEL, fd, 0, 0);
    if (result < 0) throw new SysError("epoll_ctl(EPOLL_CTL_DEL)", -result, this.what);
  }

  #control(operation: number, fd: number, events: number, token: number): number {
    this.#change[0] = events | EPOLLET;
    this.#change[LAYOUT.data] = token;
    if (libc.epoll_ctl(this.#fd.raw, operation, fd, this.#changeBytes) === 0) return 0;
    return -errno();
  }

  /**
   * Takes what has happened, without waiting. Allocates nothing.
   *
   * @returns how many descriptors it happened to; as many as the capacity: there may be more
   * @throws {SysError}
   */
  take(): number {
    for (;;) {
      const count = libc.epoll_wait(this.#fd.raw, this.#eventBytes, this.#capacity, 0);
      if (count >= 0) return count;
      const code = errno();
      if (code !== EINTR) throw new SysError("epoll_wait", code, this.what);
    }
  }

  /** The events of the `index`th descriptor that was taken. */
  events(index: number): number {
    return this.#events[index * LAYOUT.words];
  }

  /** Its token. */
  token(index: number): number {
    return this.#events[index * LAYOUT.words + LAYOUT.data];
  }

  /** Closes it; the descriptors stay open. */
  [Symbol.dispose](): void {
    this.#fd.close();
  }
}
