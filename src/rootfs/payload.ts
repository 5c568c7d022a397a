/**
 * The compressed kernel inside a bzImage.
 *
 * Source: the kernel's `Documentation/x86/boot.rst` (`payload_offset`, `payload_length`, protocol
 * 2.08) and `scripts/Makefile.lib` (what is appended to the compressed data).
 *
 * @module
 */

import { type Decompressor, decompressorOf, MAGIC_BYTES } from "./compression.ts";
import { RootfsError } from "./errors.ts";

/** A bzImage's payload. */
export interface Payload {
  /** The compressed data, without the size that the kernel's build appends. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** Bytes that it unpacks to, as the build recorded. */
  readonly unpackedSize: number;
  readonly decompressor: Decompressor;
}

/** Offsets in the real-mode kernel header (boot.rst, "The Real-Mode Kernel Header"). */
const SETUP_SECTS = 0x1f1;
const HEADER_MAGIC = 0x202;
const VERSION = 0x206;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
/** "HdrS" */
const HDRS = 0x53726448;
const SECTOR = 512;
/** Zero in setup_sects means four, for the sake of very old kernels. */
const DEFAULT_SETUP_SECTS = 4;
const SIZE_BYTES = 4;

/**
 * Finds the payload of a bzImage.
 *
 * @throws {RootfsError} when it is not a bzImage of protocol 2.08 or later, is cut off, or has a
 * compression that is not known here.
 */
export function bzImagePayload(bzImage: Uint8Array<ArrayBuffer>): Payload {
  const view = new DataView(bzImage.buffer, bzImage.byteOffset, bzImage.byteLength);
  if (view.byteLength < PAYLOAD_LENGTH + 4 || view.getUint32(HEADER_MAGIC, true) !== HDRS) {
    throw new RootfsError("not a bzImage: no HdrS at 0x202");
  }
  const protocol = view.getUint16(VERSION, true);
  if (protocol < 0x208) {
    throw new RootfsError(`bzImage of boot protocol 0x${protocol.toString(16)}, older than 0x208`);
  }
  const setupSects = view.getUint8(SETUP_SECTS) || DEFAULT_SETUP_SECTS;
  const start = (setupSects + 1) * SECTOR + view.getUint32(PAYLOAD_OFFSET, true);
  const end = start + view.getUint32(PAYLOAD_LENGTH, true);
  if (end > view.byteLength || end - start < SIZE_BYTES) {
    throw new RootfsError(
      `bzImage is cut off: payload ${start} to ${end} of ${view.byteLength} bytes`,
    );
  }
  const head = bzImage.subarray(start, start + MAGIC_BYTES);
  const format = decompressorOf(head);
  if (format === undefined) {
    throw new RootfsError(`bzImage with a compression that is not known here: ${head.toHex()}`);
  }
  return {
    // With gzip the size is the format's own last field (ISIZE, RFC 1952 section 2.3.1); to others the build adds it.
    data: bzImage.subarray(start, format.name === "gzip" ? end : end - SIZE_BYTES),
    unpackedSize: view.getUint32(end - SIZE_BYTES, true),
    decompressor: format,
  };
}
