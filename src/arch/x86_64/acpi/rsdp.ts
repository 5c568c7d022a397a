/**
 * Where a kernel begins to read: the RSDP, and the XSDT that it points to.
 *
 * Source: ACPI Specification 6.5, 5.2.5 and 5.2.8.
 *
 * @module
 */
import { checksum, writeAscii } from "../bytes.ts";
import { OEM_ID, type Table, table } from "./table.ts";

/** Bytes of the RSDP. */
export const RSDP_SIZE = 36;
const REVISION = 2;
const CHECKSUM_OFFSET = 8;
/** What the ACPI 1.0 part of the structure, and its checksum, reach to. */
const V1_SIZE = 20;
const EXTENDED_CHECKSUM_OFFSET = 32;
const XSDT_REVISION = 1;

/** The RSDP, revision 2. It has no RSDT: everything that boots here reads the XSDT. */
export function rsdp(xsdtAddress: number): Table {
  const bytes = new Uint8Array(RSDP_SIZE);
  const view = new DataView(bytes.buffer);
  writeAscii(bytes, 0, "RSD PTR ");
  writeAscii(bytes, 9, OEM_ID);
  view.setUint8(15, REVISION);
  view.setUint32(20, RSDP_SIZE, true);
  view.setBigUint64(24, BigInt(xsdtAddress), true);
  bytes[CHECKSUM_OFFSET] = checksum(bytes.subarray(0, V1_SIZE));
  bytes[EXTENDED_CHECKSUM_OFFSET] = checksum(bytes);
  return bytes;
}

/** The XSDT: the addresses of all other tables but the DSDT, which the FADT points to. */
export function xsdt(addresses: readonly number[]): Table {
  const body = new BigUint64Array(addresses.map(BigInt));
  return table("XSDT", XSDT_REVISION, new Uint8Array(body.buffer));
}
