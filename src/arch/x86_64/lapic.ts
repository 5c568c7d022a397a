/**
 * The local APIC's interrupt pins: LINT0 takes the 8259s' output, LINT1 takes NMIs, as firmware sets them up.
 *
 * Sources: Intel SDM volume 3, 11.5.1 (local vector table); MP 1.4, 3.6.2.2 (virtual wire mode).
 *
 * @module
 */
import type { Vcpu } from "../../kvm/mod.ts";

/** Registers at their offsets in the APIC's page. */
const LVT_LINT0 = 0x350;
const LVT_LINT1 = 0x360;
const MODE_NMI = 4 << 8;
const MODE_EXT_INT = 7 << 8;
const MASKED = 1 << 16;

/**
 * Sets both pins in a local APIC's registers.
 *
 * @param regs KVM_GET_LAPIC, which is changed
 * @param boots whether it is the boot processor's: the others don't take the 8259s' interrupts, of which there
 *   is one copy only
 */
export function setLocalInterrupts(regs: Uint8Array<ArrayBuffer>, boots: boolean): void {
  const view = new DataView(regs.buffer, regs.byteOffset, regs.length);
  view.setUint32(LVT_LINT0, boots ? MODE_EXT_INT : MODE_EXT_INT | MASKED, true);
  view.setUint32(LVT_LINT1, MODE_NMI, true);
}

/** Sets both pins of a vCPU's local APIC. */
export function configureLapic(vcpu: Pick<Vcpu, "getLapic" | "setLapic">, boots: boolean): void {
  const regs = vcpu.getLapic();
  setLocalInterrupts(regs, boots);
  vcpu.setLapic(regs);
}
