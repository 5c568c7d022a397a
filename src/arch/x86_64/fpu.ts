/**
 * The floating-point state at the guest's first instruction: that of FNINIT.
 *
 * Source: Intel SDM volume 1, 8.1.5 (x87 control word).
 *
 * @module
 */
import type { Vcpu } from "../../kvm/mod.ts";

/** All x87 exceptions masked, extended precision, round to nearest. */
const FCW = 0x37f;
/** MXCSR after reset: all SSE exceptions masked. */
export const MXCSR = 0x1f80;

/** Sets the x87 control word. KVM_SET_FPU takes no MXCSR: KVM makes a vCPU with {@link MXCSR}. */
export function setBootFpu(vcpu: Pick<Vcpu, "setFpu">): void {
  vcpu.setFpu({ fcw: FCW, mxcsr: MXCSR });
}
