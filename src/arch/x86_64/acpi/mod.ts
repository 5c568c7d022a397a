/**
 * ACPI tables: what the guest's kernel reads of the machine it runs on.
 *
 * ```ts
 * import { buildAcpiTables, POWER_REGISTERS } from "./mod.ts";
 *
 * const com1 = { name: "COM1", hid: "PNP0501", io: [{ base: 0x3f8, size: 8 }], irq: 4 };
 * const bytes = buildAcpiTables(0xe0000, {
 *   apicIds: [0, 1],
 *   devices: [com1],
 *   power: POWER_REGISTERS,
 * });
 * if (bytes[0] !== "R".charCodeAt(0)) throw new Error("the RSDP comes first");
 * ```
 *
 * @module
 */
import type { Bytes } from "../bytes.ts";
import type { Aml } from "./aml.ts";
import { type AcpiDevice, HardwareId } from "./device.ts";
import { dsdt } from "./dsdt.ts";
import { fadt, type PowerRegisters } from "./fadt.ts";
import { madt } from "./madt.ts";
import { mcfg } from "./mcfg.ts";
import { type PciHostBridge, pciHostBridge } from "./pci.ts";
import { rsdp, RSDP_SIZE, xsdt } from "./rsdp.ts";
import type { Table } from "./table.ts";

export * as aml from "./aml.ts";
export * as resources from "./resources.ts";
export { type AcpiDevice, EDGE, HardwareId, type ResourceRange } from "./device.ts";
export type { PciHostBridge } from "./pci.ts";
export { POWER_REGISTERS, type PowerRegisters, SLEEP_CONTROL_S5 } from "./fadt.ts";

/** What the tables say. */
export interface AcpiInput {
  /** The APIC id of each processor. */
  readonly apicIds: readonly number[];
  /** All devices that a kernel can't find by itself. The RTC and the i8042 are known by their hardware ids. */
  readonly devices: readonly AcpiDevice[];
  /** The PCI host bridge, where there is one. */
  readonly pci?: PciHostBridge;
  /** Further terms for `\_SB`, beyond what a plain device description can express. */
  readonly terms?: readonly Aml[];
  readonly power: PowerRegisters;
  /** The CMOS index of the RTC's century byte, where it has one. */
  readonly rtcCentury?: number;
}

/** A table's place is a multiple of this; the RSDP's must be (5.2.5.1). */
const ALIGNMENT = 16;

/**
 * The RSDP and behind it DSDT, FADT, MADT, MCFG (where there's PCI) and XSDT: the bytes for the guest physical address `base`, a multiple
 * of 16.
 */
export function buildAcpiTables(base: number, input: AcpiInput): Bytes {
  const has = (hid: string) => input.devices.some((device) => device.hid === hid);
  const placed: { readonly address: number; readonly table: Table }[] = [];
  let next = align(base + RSDP_SIZE);
  const place = (table: Table): number => {
    const address = next;
    placed.push({ address, table });
    next = align(address + table.length);
    return address;
  };
  const { devices, terms = [], pci, apicIds, power, rtcCentury } = input;
  const bridge = pci === undefined ? [] : [pciHostBridge(pci)];
  const dsdtAddress = place(
    dsdt({ processors: apicIds.length, devices, terms: [...bridge, ...terms] }),
  );
  const fadtAddress = place(fadt({
    dsdtAddress,
    power,
    hasI8042: has(HardwareId.KEYBOARD),
    hasRtc: has(HardwareId.RTC),
    rtcCentury,
  }));
  const entries = [fadtAddress, place(madt(apicIds))];
  if (pci !== undefined) entries.push(place(mcfg(pci.ecam)));
  const xsdtAddress = place(xsdt(entries));
  const bytes = new Uint8Array(next - base);
  bytes.set(rsdp(xsdtAddress));
  for (const { address, table } of placed) bytes.set(table, address - base);
  return bytes;
}

function align(address: number): number {
  return Math.ceil(address / ALIGNMENT) * ALIGNMENT;
}
