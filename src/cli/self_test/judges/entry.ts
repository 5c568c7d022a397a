/**
 * What guests have to find where a boot protocol enters them.
 * @module
 */
import { expect, expectEqual } from "../expect.ts";
import {
  expectEnd,
  fields,
  type GuestMachine,
  type Judge,
  type MapRange,
  outcome,
  ranges,
} from "../guest.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** Types of ranges in a memory map (ACPI 6.5, 15). */
const RAM = 1;
const RESERVED = 2;
/** Where a BIOS has its ACPI tables, and this machine too. */
const BIOS_TABLES = 0xe_0000;

/** Holds a memory map to what a machine of `size` bytes of RAM has, whatever protocol carries it. */
export function expectMap(console: string, size: number): void {
  const map = ranges(console);
  const [low, ...rest] = map.filter(({ type }) => type === RAM);
  expect(low?.base === 0 && low.size <= 640 * 1024, "conventional memory is not below 640 KiB");
  const wanted: MapRange[] = [{ base: MIB, size: Math.min(size, 3 * GIB) - MIB, type: RAM }];
  if (size > 3 * GIB) wanted.push({ base: 4 * GIB, size: size - 3 * GIB, type: RAM });
  expectEqual(rest, wanted, "the RAM above 1 MiB");
  const tables = map.some(({ base, size, type }) =>
    type === RESERVED && base <= BIOS_TABLES && BIOS_TABLES < base + size
  );
  expect(tables, "the memory where a BIOS has its tables is not reserved");
}

/**
 * A guest that prints the command line and the memory map that it was given.
 *
 * @param status what it ends with
 * @returns the judge; what else the guest prints is not looked at
 */
export function bootInformation(status: number, cmdline: string, memory: number): Judge {
  return async (machine: GuestMachine) => {
    const { end, console } = await outcome(machine);
    expectEnd(end, { kind: "exit", status });
    expectEqual(fields(console).cmdline, cmdline, "the command line");
    expectMap(console, memory);
  };
}
