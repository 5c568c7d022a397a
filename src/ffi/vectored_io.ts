/**
 * Reading and writing by vectors on a device's hot path: {@linkcode readv} and {@linkcode writev} for taps,
 * sockets and terminals, {@linkcode preadv} and {@linkcode pwritev} for files.
 *
 * The calls don't throw: a failure is a negative errno, such as `-EAGAIN` where a non-blocking descriptor has
 * nothing to give. EINTR is retried. Nothing is allocated, but for a file's offset, which travels as a BigInt.
 *
 * Writing to a socket or pipe that nobody reads any more is `-EPIPE`. It raises no signal: Deno, as every Rust
 * program, ignores SIGPIPE from its start.
 * @module
 */
import { EINTR, outcome } from "./errno.ts";
import type { IoVectors } from "./io_vectors.ts";
import { libc } from "./libc.ts";

function checkRange(vectors: IoVectors, first: number, count: number): void {
  if (count >= 0 && first + count <= vectors.capacity) return;
  throw new RangeError(`${count} I/O vectors from ${first} on, of ${vectors.capacity}`);
}

/**
 * readv(2): fills `count` of the vectors, from vector `first` on.
 *
 * @returns the bytes read, 0 at the end; a negative errno
 */
export function readv(fd: number, vectors: IoVectors, count: number, first: number = 0): number {
  checkRange(vectors, first, count);
  // SAFETY: the vectors lie inside the array. The kernel checks what they point to; that it is memory which may
  // be written is up to who has set them.
  const pointer = vectors.pointerTo(first);
  for (;;) {
    const result = outcome(libc.readv(fd, pointer, count));
    if (result !== -EINTR) return result;
  }
}

/**
 * writev(2): writes `count` of the vectors, from vector `first` on, or as much as there is room for.
 *
 * @returns the bytes written; a negative errno
 */
export function writev(fd: number, vectors: IoVectors, count: number, first: number = 0): number {
  checkRange(vectors, first, count);
  // SAFETY: as for readv, but the memory is only read.
  const pointer = vectors.pointerTo(first);
  for (;;) {
    const result = outcome(libc.writev(fd, pointer, count));
    if (result !== -EINTR) return result;
  }
}

/** preadv(2): as {@linkcode readv}, from `offset` of a file. */
export function preadv(
  fd: number,
  vectors: IoVectors,
  count: number,
  offset: number,
  first: number = 0,
): number {
  checkRange(vectors, first, count);
  // SAFETY: as for readv.
  const pointer = vectors.pointerTo(first);
  for (;;) {
    const result = outcome(libc.preadv(fd, pointer, count, BigInt(offset)));
    if (result !== -EINTR) return result;
  }
}

/** pwritev(2): as {@linkcode writev}, to `offset` of a file. */
export function pwritev(
  fd: number,
  vectors: IoVectors,
  count: number,
  offset: number,
  first: number = 0,
): number {
  checkRange(vectors, first, count);
  // SAFETY: as for writev.
  const pointer = vectors.pointerTo(first);
  for (;;) {
    const result = outcome(libc.pwritev(fd, pointer, count, BigInt(offset)));
    if (result !== -EINTR) return result;
  }
}
