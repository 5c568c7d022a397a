/**
 * What all ACPI tables have in common: the header and the checksum.
 *
 * Source: ACPI Specification 6.5, 5.2.6 (System Description Table Header).
 *
 * @module
 */
import { checksum, writeAscii } from "../bytes.ts";

/** Bytes of the header that every table but the RSDP begins with. */
export const HEADER_SIZE = 36;
/** Six characters that name the maker of the tables. */
export const OEM_ID = "DENOVI";
const OEM_TABLE_ID = "DENOVISR";
const OEM_REVISION = 1;
const CREATOR_ID = "DNVR";
const CREATOR_REVISION = 1;
const CHECKSUM_OFFSET = 9;

/** A whole table with its checksum. */
export type Table = Uint8Array<ArrayBuffer>;

/**
 * A table: the header in front of `body`.
 *
 * @param signature four characters
 */
export function table(signature: string, revision: number, body: Uint8Array): Table {
  const bytes = new Uint8Array(HEADER_SIZE + body.length);
  const view = new DataView(bytes.buffer);
  writeAscii(bytes, 0, signature);
  view.setUint32(4, bytes.length, true);
  view.setUint8(8, revision);
  writeAscii(bytes, 10, OEM_ID);
  writeAscii(bytes, 16, OEM_TABLE_ID);
  view.setUint32(24, OEM_REVISION, true);
  writeAscii(bytes, 28, CREATOR_ID);
  view.setUint32(32, CREATOR_REVISION, true);
  bytes.set(body, HEADER_SIZE);
  bytes[CHECKSUM_OFFSET] = checksum(bytes);
  return bytes;
}
