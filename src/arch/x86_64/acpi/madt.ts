/**
 * The MADT: the processors' local APICs and the I/O APIC.
 *
 * There is no interrupt source override. KVM wires each ISA interrupt to the I/O APIC pin of its own number,
 * the timer included (GSI 0, not 2 as on most PCs), and edge-triggered, active-high is what ISA means without
 * one.
 *
 * Source: ACPI Specification 6.5, 5.2.12.
 *
 * @module
 */
import { IOAPIC, LAPIC } from "../memory_map.ts";
import { concat, little } from "../bytes.ts";
import { type Table, table } from "./table.ts";

const REVISION = 5;
/** A dual 8259 is there as well, as in every PC. */
const PCAT_COMPAT = 1;
const ENABLED = 1;

/** Interrupt controller structure types (table 5.20). */
const LOCAL_APIC = 0;
const IO_APIC = 1;
const LOCAL_APIC_NMI = 4;
const LOCAL_X2APIC = 9;
const LOCAL_X2APIC_NMI = 10;

/** From this APIC id on a processor needs an x2APIC structure; the smaller ones must not have one. */
const FIRST_X2APIC_ID = 255;
/** The identifier that KVM's I/O APIC has in its register after reset. */
export const IOAPIC_ID = 0;
const GSI_BASE = 0;
/** NMI comes in at LINT1 (lapic.ts), with the bus's own polarity and trigger mode. */
const NMI_LINT = 1;
const CONFORMS = 0;
const ALL_PROCESSORS = 0xff;
const ALL_X2APIC_PROCESSORS = 0xffff_ffff;

/** The MADT of a machine whose processor `n` has the APIC id `apicIds[n]` and the UID n. */
export function madt(apicIds: readonly number[]): Table {
  const processors = apicIds.map((id, uid) =>
    id < FIRST_X2APIC_ID
      ? structure(LOCAL_APIC, uid, id, little(ENABLED, 4))
      : structure(LOCAL_X2APIC, 0, 0, little(id, 4), little(ENABLED, 4), little(uid, 4))
  );
  const nmis = [structure(LOCAL_APIC_NMI, ALL_PROCESSORS, little(CONFORMS, 2), NMI_LINT)];
  if (apicIds.some((id) => id >= FIRST_X2APIC_ID)) {
    const uid = little(ALL_X2APIC_PROCESSORS, 4);
    nmis.push(structure(LOCAL_X2APIC_NMI, little(CONFORMS, 2), uid, NMI_LINT, 0, 0, 0));
  }
  const ioApic = structure(IO_APIC, IOAPIC_ID, 0, little(IOAPIC.base, 4), little(GSI_BASE, 4));
  const head = [little(LAPIC.base, 4), little(PCAT_COMPAT, 4)];
  return table("APIC", REVISION, concat(...head, ...processors, ioApic, ...nmis));
}

/** An interrupt controller structure: its type, its length, its fields. */
function structure(type: number, ...fields: readonly (number | Uint8Array)[]): Uint8Array {
  const body = concat(...fields);
  return concat(type, body.length + 2, body);
}
