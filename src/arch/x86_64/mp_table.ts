/**
 * The MP table, for kernels that don't read ACPI tables (or are told `acpi=off`).
 *
 * Source: Intel MultiProcessor Specification 1.4, chapter 4. Its APIC ids have 8 bits: processors whose id
 * does not fit are found through ACPI only.
 *
 * @module
 */
import { checksum, concat, little, writeAscii } from "./bytes.ts";
import { IOAPIC_ID } from "./acpi/madt.ts";
import { IOAPIC, LAPIC } from "./memory_map.ts";
import { FIRST_PCI_PIN, IO_APIC_PINS } from "./plugging.ts";

/** CPUID leaf 1 of the processors: what it has in EAX and EDX. */
export interface ProcessorSignature {
  /** Family, model and stepping: EAX. */
  readonly signature: number;
  /** Feature flags: EDX. */
  readonly features: number;
}

/** The PCI bus of a machine that has one. */
export interface MpPciBus {
  /** The I/O APIC's pin that INTA# of a device leads to. */
  pinGsi(device: number): number;
}

const FLOATING_POINTER_SIZE = 16;
const HEADER_SIZE = 44;
const SPEC_REVISION = 4;

/** Entry types (table 4-3). */
const Entry = Object.freeze({
  PROCESSOR: 0,
  BUS: 1,
  IO_APIC: 2,
  IO_INTERRUPT: 3,
  LOCAL_INTERRUPT: 4,
});

/** Interrupt types (table 4-10). */
const Interrupt = Object.freeze({ INT: 0, NMI: 1, EXT_INT: 3 });

const PROCESSOR_ENABLED = 1 << 0;
const BOOT_PROCESSOR = 1 << 1;
const IO_APIC_ENABLED = 1;
/** The versions that KVM's controllers have in their version registers. */
const LOCAL_APIC_VERSION = 0x14;
const IO_APIC_VERSION = 0x11;
/** Polarity and trigger mode conform to the bus: on ISA active high and edge, on PCI active low and level. */
const CONFORMS = 0;
const PCI_BUS = 0;
const PCI_DEVICES = 32;
const ALL_LOCAL_APICS = 0xff;
/** Above it, ids have no place in a byte; 0xff itself means all. */
const MAXIMUM_APIC_ID = 0xfe;
/** The second 8259's way into the first, not an interrupt. */
const CASCADE = 2;

/**
 * The floating pointer and, behind it, the configuration table.
 *
 * @param base the guest physical address that both are for, a multiple of 16
 * @param apicIds of all processors; the first one boots
 */
export function buildMpTable(
  base: number,
  apicIds: readonly number[],
  processor: ProcessorSignature,
  pci?: MpPciBus,
): Uint8Array<ArrayBuffer> {
  // Kernels look PCI interrupts up by the number that the bus has in PCI, so that one comes first.
  const isaBus = pci === undefined ? 0 : PCI_BUS + 1;
  const entries = [
    ...apicIds
      .filter((id) => id <= MAXIMUM_APIC_ID)
      .map((id) => processorEntry(id, id === apicIds[0], processor)),
    ...(pci === undefined ? [] : [busEntry(PCI_BUS, "PCI")]),
    busEntry(isaBus, "ISA"),
    concat(Entry.IO_APIC, IOAPIC_ID, IO_APIC_VERSION, IO_APIC_ENABLED, little(IOAPIC.base, 4)),
    ...isaInterrupts(isaBus, pci === undefined ? IO_APIC_PINS : FIRST_PCI_PIN),
    ...(pci === undefined ? [] : pciInterrupts(pci)),
    // Virtual wire: the 8259s come in at the boot processor's LINT0, NMI at everybody's LINT1.
    localInterrupt(Interrupt.EXT_INT, isaBus, apicIds[0], 0),
    localInterrupt(Interrupt.NMI, isaBus, ALL_LOCAL_APICS, 1),
  ];
  const table = concat(new Uint8Array(HEADER_SIZE), ...entries);
  const view = new DataView(table.buffer);
  writeAscii(table, 0, "PCMP");
  view.setUint16(4, table.length, true);
  view.setUint8(6, SPEC_REVISION);
  writeAscii(table, 8, "DENOVISR");
  writeAscii(table, 16, "DENOVISOR   ");
  view.setUint16(34, entries.length, true);
  view.setUint32(36, LAPIC.base, true);
  table[7] = checksum(table);
  return concat(floatingPointer(base + FLOATING_POINTER_SIZE), table);
}

function floatingPointer(tableAddress: number): Uint8Array {
  const bytes = new Uint8Array(FLOATING_POINTER_SIZE);
  writeAscii(bytes, 0, "_MP_");
  new DataView(bytes.buffer).setUint32(4, tableAddress, true);
  bytes[8] = FLOATING_POINTER_SIZE / 16;
  bytes[9] = SPEC_REVISION;
  bytes[10] = checksum(bytes);
  return bytes;
}

function processorEntry(
  apicId: number,
  boots: boolean,
  { signature, features }: ProcessorSignature,
): Uint8Array {
  const flags = PROCESSOR_ENABLED | (boots ? BOOT_PROCESSOR : 0);
  const reserved = new Uint8Array(8);
  const cpuid = [little(signature, 4), little(features, 4)];
  return concat(Entry.PROCESSOR, apicId, LOCAL_APIC_VERSION, flags, ...cpuid, reserved);
}

function busEntry(id: number, type: string): Uint8Array {
  return concat(Entry.BUS, id, new TextEncoder().encode(type.padEnd(6)));
}

/**
 * One entry for each pin of the I/O APIC that an interrupt can come in at. Those from 16 on are no ISA
 * interrupts, but MP knows no other bus for virtio-mmio devices, and kernels take any number here.
 *
 * @param end the first pin that is another bus's
 */
function isaInterrupts(bus: number, end: number): Uint8Array[] {
  return Array.from({ length: end }, (_, pin) => pin)
    .filter((pin) => pin !== CASCADE)
    .map((pin) => ioInterrupt(bus, pin, pin));
}

/** One entry for INTA# of each device but the host bridge: its number from bit 2 on, the pin below (D.3). */
function pciInterrupts({ pinGsi }: MpPciBus): Uint8Array[] {
  const INTA = 0;
  return Array.from({ length: PCI_DEVICES - 1 }, (_, i) => i + 1)
    .map((device) => ioInterrupt(PCI_BUS, (device << 2) | INTA, pinGsi(device)));
}

function ioInterrupt(bus: number, source: number, pin: number): Uint8Array {
  const flags = little(CONFORMS, 2);
  return concat(Entry.IO_INTERRUPT, Interrupt.INT, flags, bus, source, IOAPIC_ID, pin);
}

function localInterrupt(type: number, bus: number, apicId: number, lint: number): Uint8Array {
  return concat(Entry.LOCAL_INTERRUPT, type, little(CONFORMS, 2), bus, 0, apicId, lint);
}
