/**
 * Resource descriptors: what a device's `_CRS` says it uses.
 *
 * Source: ACPI Specification 6.5, 6.4 (resource data types for ACPI).
 *
 * @module
 */
import { BootSetupError } from "../errors.ts";
import { concat, little } from "../bytes.ts";
import { type Aml, buffer } from "./aml.ts";

/** One descriptor's bytes. */
export type Resource = Uint8Array<ArrayBuffer>;

/** `ResourceTemplate () { descriptors }` */
export function resourceTemplate(...descriptors: readonly Resource[]): Aml {
  // End tag; a checksum of zero is not verified (6.4.2.9).
  return buffer(concat(...descriptors, 0x79, 0));
}

/** `IO (Decode16, base, base, 1, size)`: at most 255 ports. */
export function ioPorts(base: number, size: number): Resource {
  const DECODE16 = 1;
  return concat(0x47, DECODE16, little(base, 2), little(base, 2), 1, little(size, 1));
}

/** `IRQNoFlags () { irq }`: an edge-triggered, active-high, exclusive ISA interrupt, 0 to 15. */
export function irqNoFlags(irq: number): Resource {
  if (irq < 0 || irq > 15) throw new BootSetupError(`AML: ${irq} is no ISA interrupt`);
  return concat(0x22, little(1 << irq, 2));
}

/** How an interrupt is signalled. */
export interface InterruptMode {
  readonly trigger: "edge" | "level";
  readonly polarity: "high" | "low";
  readonly shared: boolean;
}

/** `Interrupt (ResourceConsumer, …) { gsi }` */
export function interrupt(gsi: number, mode: InterruptMode): Resource {
  const CONSUMER = 1;
  const flags = CONSUMER |
    (mode.trigger === "edge" ? 1 << 1 : 0) |
    (mode.polarity === "low" ? 1 << 2 : 0) |
    (mode.shared ? 1 << 3 : 0);
  return large(0x89, flags, 1, little(gsi, 4));
}

/** `Memory32Fixed (ReadWrite, base, size)` */
export function memory32Fixed(base: number, size: number): Resource {
  const READ_WRITE = 1;
  return large(0x86, READ_WRITE, little(base, 4), little(size, 4));
}

/** A range that an address space descriptor names. */
export interface AddressSpace {
  readonly base: number;
  readonly size: number;
  /** A bridge passes the range on to what is behind it; a device consumes it. */
  readonly producer: boolean;
}

/** `WordBusNumber (…)`: the buses behind a host bridge. */
export function wordBusNumber(range: AddressSpace): Resource {
  return addressSpace(0x88, 2, BUS, 0, range);
}

/** `WordIO (…)`: a window of ports, the whole of it (EntireRange). */
export function wordIo(range: AddressSpace): Resource {
  return addressSpace(0x88, 2, IO, ENTIRE_RANGE, range);
}

/** `DWordMemory (…)`: a writable, uncached window below 4 GiB. */
export function dwordMemory(range: AddressSpace): Resource {
  return addressSpace(0x87, 4, MEMORY, READ_WRITE, range);
}

/** `QWordMemory (…)`: a writable, uncached window anywhere. */
export function qwordMemory(range: AddressSpace): Resource {
  return addressSpace(0x8a, 8, MEMORY, READ_WRITE, range);
}

const MEMORY = 0;
const IO = 1;
const BUS = 2;
const READ_WRITE = 1;
const ENTIRE_RANGE = 3;

/** Word, DWord and QWord address space descriptors differ in their type and the width of their fields (6.4.3.5). */
function addressSpace(
  type: number,
  width: 2 | 4 | 8,
  resourceType: number,
  typeFlags: number,
  { base, size, producer }: AddressSpace,
): Resource {
  const MINIMUM_FIXED = 1 << 2;
  const MAXIMUM_FIXED = 1 << 3;
  const flags = MINIMUM_FIXED | MAXIMUM_FIXED | (producer ? 0 : 1);
  const [granularity, translation] = [0, 0];
  const fields = [granularity, base, base + size - 1, translation, size];
  return large(type, resourceType, flags, typeFlags, ...fields.map((f) => little(f, width)));
}

/** A large descriptor: its type, the length of its fields, its fields (6.4.3). */
function large(type: number, ...fields: readonly (number | Uint8Array)[]): Resource {
  const body = concat(...fields);
  return concat(type, little(body.length, 2), body);
}
