/**
 * What the guest learns of the hypervisor and of its clocks: the KVM leaves, and the TSC's frequency.
 *
 * Sources: Documentation/virt/kvm/x86/cpuid.rst; Intel SDM volume 2, leaves 0x15 and 0x16; the leaf
 * 0x40000010 was proposed by VMware for all hypervisors (lkml, "Hypervisor CPUID leaves for timing").
 *
 * @module
 */
import { Features, hasFeature } from "./features.ts";
import type { CpuidTable } from "./table.ts";

const LEAF_SIGNATURE = 0x4000_0000;
const LEAF_KVM_FEATURES = 0x4000_0001;
const LEAF_TIMING = 0x4000_0010;
const LEAF_TSC = 0x15;
const LEAF_FREQUENCY = 0x16;

/** "KVMKVMKVM\0\0\0": Linux enables its KVM guest support by it. */
const SIGNATURE = Object.freeze({ ebx: 0x4b4d_564b, ecx: 0x564b_4d56, edx: 0x0000_004d });
/** The timer of KVM's local APIC counts nanoseconds. */
const APIC_BUS_KHZ = 1_000_000;
/** What processors say of their bus (leaf 0x16 ECX), in MHz. */
const BUS_MHZ = 100;

/**
 * Sets the hypervisor leaves; the features are those that KVM lists.
 *
 * The frequencies are told only when the TSC's does not change, and leaves 0x15 and 0x16 only where the
 * processor has them.
 *
 * @param tscKhz KVM_GET_TSC_KHZ, or undefined where KVM does not know
 */
export function setHypervisorLeaves(table: CpuidTable, tscKhz: number | undefined): void {
  table.require(LEAF_KVM_FEATURES);
  const constant = tscKhz !== undefined && tscKhz > 0 && hasFeature(table, Features.INVARIANT_TSC);
  const last = constant ? LEAF_TIMING : LEAF_KVM_FEATURES;
  table.set(LEAF_SIGNATURE, { eax: last, ...SIGNATURE });
  if (!constant) return;
  table.set(LEAF_TIMING, { eax: tscKhz, ebx: APIC_BUS_KHZ, ecx: 0, edx: 0 });
  if (table.vendor !== "intel") return;
  if (table.lastBasic >= LEAF_TSC) {
    // The "crystal" must be the APIC timer's clock: Linux takes the one for the other.
    const [numerator, denominator] = ratio(tscKhz, APIC_BUS_KHZ, NUMERATOR_MAXIMUM);
    const crystalHz = APIC_BUS_KHZ * 1000;
    table.set(LEAF_TSC, { eax: denominator, ebx: numerator, ecx: crystalHz, edx: 0 });
  }
  if (table.lastBasic >= LEAF_FREQUENCY) {
    const mhz = Math.round(tscKhz / 1000);
    table.set(LEAF_FREQUENCY, { eax: mhz, ebx: mhz, ecx: BUS_MHZ, edx: 0 });
  }
}

/** Linux multiplies the crystal's kHz by the numerator in 32 bits (native_calibrate_tsc). */
const NUMERATOR_MAXIMUM = Math.floor(0xffff_ffff / APIC_BUS_KHZ);

/**
 * The fraction nearest to `a / b` among those with a numerator of at most `most`.
 *
 * For TSCs it errs by less than a millionth as a rule, and by 120 of them just beside a simple fraction, which
 * time synchronization corrects. Linux reads the frequency from kvmclock instead, where it is exact.
 */
export function ratio(
  a: number,
  b: number,
  most: number,
): [numerator: number, denominator: number] {
  let best: [number, number] = [1, 1];
  let least = Infinity;
  for (let numerator = 1; numerator <= most; numerator++) {
    const denominator = Math.max(1, Math.round((numerator * b) / a));
    const error = Math.abs(numerator * b - a * denominator) / denominator;
    if (error < least) [best, least] = [[numerator, denominator], error];
  }
  return best;
}
