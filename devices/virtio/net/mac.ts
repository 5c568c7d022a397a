/**
 * Ethernet addresses.
 * @module
 */
import { sha256 } from "./sha256.ts";

/** The bytes of an address. */
export const MAC_SIZE = 6;
/** In the first byte: a group's address (IEEE 802). */
const MULTICAST = 0x01;
/** In the first byte: the address was not given by a manufacturer. */
const LOCALLY_ADMINISTERED = 0x02;

/** The bytes of `52:54:00:12:34:56`, in either case, with colons or dashes; undefined for any other text. */
export function parseMac(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[\da-f]{2}(:[\da-f]{2}){5}$|^[\da-f]{2}(-[\da-f]{2}){5}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(/[:-]/), (byte) => parseInt(byte, 16));
}

/** An address as text. */
export function formatMac(mac: Uint8Array): string {
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** Whether an address can be one card's: it is no group's, and not all zeros. */
export function isCardAddress(mac: Uint8Array): boolean {
  return mac.length === MAC_SIZE && (mac[0] & MULTICAST) === 0 && mac.some((byte) => byte !== 0);
}

/** A locally administered address that is the same whenever `name` is. */
export function macOf(name: string): Uint8Array<ArrayBuffer> {
  const mac = sha256(name).slice(0, MAC_SIZE);
  mac[0] = mac[0] & ~MULTICAST | LOCALLY_ADMINISTERED;
  return mac;
}

/** The address of a card for which the user gives none: always the same on one host, and others elsewhere. */
export function machineMac(id: string, tap: string): Uint8Array<ArrayBuffer> {
  let host = "";
  try {
    host = Deno.readTextFileSync("/etc/machine-id").trim();
  } catch {
    // A host without one gives the addresses that every such host gives.
  }
  return macOf(`${host} ${id} ${tap}`);
}
