/**
 * The MCFG: where PCI Express configuration space is.
 *
 * Source: PCI Firmware Specification 3.2, 4.1.2.
 *
 * @module
 */
import { concat, little } from "../bytes.ts";
import type { ResourceRange } from "./device.ts";
import { type Table, table } from "./table.ts";

const REVISION = 1;
const SEGMENT = 0;
/** Bytes of configuration space of one bus. */
export const BUS_SIZE = 0x10_0000;

/** The MCFG of a host bridge whose buses begin at 0. */
export function mcfg({ base, size }: ResourceRange): Table {
  const [firstBus, lastBus] = [0, size / BUS_SIZE - 1];
  const allocation = concat(
    little(base, 8),
    little(SEGMENT, 2),
    firstBus,
    lastBus,
    new Uint8Array(4),
  );
  return table("MCFG", REVISION, concat(new Uint8Array(8), allocation));
}
