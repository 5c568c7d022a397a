/**
 * Where a loader reads from: a file that is open, or bytes in memory. A source is read piecewise and
 * straight into guest memory, so that an initrd of hundreds of megabytes is never held twice.
 * @module
 */

/** A kernel, an initrd or a module: its size is known, and any part of it can be read. */
export interface ImageSource {
  /** What messages call it: the path of a file. */
  readonly name: string;
  /** Bytes. It doesn't change. */
  readonly size: number;
  /**
   * Fills `into` with the bytes that begin at `offset`.
   *
   * The caller keeps `offset + into.length` within {@link ImageSource.size}. `into` may be guest memory.
   *
   * @throws {ImageFileError} when the bytes can't be read
   */
  read(offset: number, into: Uint8Array): void;
}

/** An image that is in memory already. */
export class BytesImage implements ImageSource {
  readonly name: string;
  readonly #bytes: Uint8Array;

  /** `bytes` is kept, not copied. */
  constructor(name: string, bytes: Uint8Array) {
    this.name = name;
    this.#bytes = bytes;
  }

  get size(): number {
    return this.#bytes.length;
  }

  read(offset: number, into: Uint8Array): void {
    if (offset < 0 || offset + into.length > this.#bytes.length) {
      throw new RangeError(`${this.name} has no bytes ${offset} to ${offset + into.length}`);
    }
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }
}

/** Up to `length` bytes of the image at `offset`: fewer, or none, where it ends. */
export function readUpTo(
  image: ImageSource,
  offset: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Math.max(0, Math.min(length, image.size - offset)));
  if (bytes.length > 0) image.read(offset, bytes);
  return bytes;
}

/** A view of all of `bytes`. */
export function viewOf(bytes: Uint8Array<ArrayBuffer>): DataView<ArrayBuffer> {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
