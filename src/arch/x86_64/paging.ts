/**
 * The page tables of the first 64-bit instruction: an identity map in pages of 2 MiB.
 *
 * Every 64-bit CPU has 2 MiB pages; 1 GiB pages are optional. Source: Intel SDM volume 3, 4.5.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";
import { PAGE_TABLES } from "./memory_map.ts";

const TABLE_SIZE = 4096;
const ENTRIES = 512;
const LARGE_PAGE = 2 ** 21;
const GIB = 2 ** 30;

const PRESENT = 1n << 0n;
const WRITABLE = 1n << 1n;
/** In a page directory: the entry maps 2 MiB itself. */
const PAGE_SIZE_BIT = 1n << 7n;

/** Where CR3 points: the PML4. */
export const PML4_ADDRESS = PAGE_TABLES.base;
const PDPT_ADDRESS = PML4_ADDRESS + TABLE_SIZE;
const DIRECTORIES = PDPT_ADDRESS + TABLE_SIZE;
/** What the place for page tables can map: one directory for each GiB, behind the PML4 and the PDPT. */
export const IDENTITY_MAP_MAXIMUM = (PAGE_TABLES.size / TABLE_SIZE - 2) * GIB;
/** What is always mapped: RAM below the hole and the devices in it, all that the Linux protocol asks for. */
export const IDENTITY_MAP_MINIMUM = 4 * GIB;

/**
 * Page tables that map the first addresses to themselves, writable and executable: the bytes for
 * {@link PAGE_TABLES}, the PML4 first.
 *
 * @param end the first address that need not be mapped; rounded up to a GiB. At least
 *   {@link IDENTITY_MAP_MINIMUM} and at most {@link IDENTITY_MAP_MAXIMUM} are mapped: RAM behind that is
 *   the guest's to map, as every kernel does.
 */
export function identityMap(end: number): Bytes {
  const wanted = Math.ceil(end / GIB) * GIB;
  const mapped = Math.min(Math.max(wanted, IDENTITY_MAP_MINIMUM), IDENTITY_MAP_MAXIMUM);
  const directories = mapped / GIB;
  const tables = new BigUint64Array((2 + directories) * ENTRIES);
  tables[0] = BigInt(PDPT_ADDRESS) | PRESENT | WRITABLE;
  for (let i = 0; i < directories; i++) {
    tables[ENTRIES + i] = BigInt(DIRECTORIES + i * TABLE_SIZE) | PRESENT | WRITABLE;
  }
  for (let i = 0; i < directories * ENTRIES; i++) {
    tables[2 * ENTRIES + i] = BigInt(i * LARGE_PAGE) | PRESENT | WRITABLE | PAGE_SIZE_BIT;
  }
  return new Uint8Array(tables.buffer);
}
