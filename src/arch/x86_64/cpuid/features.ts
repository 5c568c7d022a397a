/**
 * Features that a guest can't use although KVM lists them, and those that depend on how the VM was made.
 * @module
 */
import type { CpuidRegister, CpuidTable } from "./table.ts";

/** A feature flag: leaf, sub-leaf, register and bit. */
export type Feature = readonly [leaf: number, index: number, register: CpuidRegister, bit: number];

/** The flags that this module looks at (Intel SDM volume 2, CPUID; AMD64 APM volume 3, appendix E). */
export const Features = Object.freeze(
  {
    MONITOR: [0x1, 0, "ecx", 3],
    VMX: [0x1, 0, "ecx", 5],
    X2APIC: [0x1, 0, "ecx", 21],
    TSC_DEADLINE: [0x1, 0, "ecx", 24],
    OSXSAVE: [0x1, 0, "ecx", 27],
    HYPERVISOR: [0x1, 0, "ecx", 31],
    MTRR: [0x1, 0, "edx", 12],
    HTT: [0x1, 0, "edx", 28],
    SGX: [0x7, 0, "ebx", 2],
    OSPKE: [0x7, 0, "ecx", 4],
    SGX_LC: [0x7, 0, "ecx", 30],
    AMX_BF16: [0x7, 0, "edx", 22],
    AMX_TILE: [0x7, 0, "edx", 24],
    AMX_INT8: [0x7, 0, "edx", 25],
    AMX_FP16: [0x7, 1, "eax", 21],
    AMX_COMPLEX: [0x7, 1, "edx", 8],
    SVM: [0x8000_0001, 0, "ecx", 2],
    INVARIANT_TSC: [0x8000_0007, 0, "edx", 8],
  } satisfies Record<string, Feature>,
);

const LEAF_MONITOR = 0x5;
const LEAF_XSAVE = 0xd;
const LEAF_SGX = 0x12;
const LEAF_TILES = 0x1d;
const LEAF_TMUL = 0x1e;
const LEAF_SVM = 0x8000_000a;
const LEAF_ENCRYPTED_MEMORY = 0x8000_001f;
/** XCR0: the tile configuration and the tile data. */
const XCR0_AMX = (1 << 17) | (1 << 18);

/** What the features depend on. */
export interface FeatureOptions {
  /** KVM_CAP_TSC_DEADLINE_TIMER: older kernels don't list the feature though they have it. */
  readonly tscDeadlineTimer: boolean;
  /** Whether the guest may run guests of its own; false where this is left out. */
  readonly nested?: boolean;
}

/** Makes the feature flags those that the guest can use. */
export function setFeatures(table: CpuidTable, options: FeatureOptions): void {
  const set = (feature: Feature, on: boolean) => table.setBit(...feature, on);
  set(Features.HYPERVISOR, true);
  set(Features.TSC_DEADLINE, options.tscDeadlineTimer);
  // These mirror CR4, which is clear at reset: KVM keeps them up to date from here on.
  set(Features.OSXSAVE, false);
  set(Features.OSPKE, false);
  // KVM lets MWAIT pass without waiting: an idle guest that used it would spin instead of halting.
  set(Features.MONITOR, false);
  table.clear(LEAF_MONITOR);
  if (options.nested !== true) {
    set(Features.VMX, false);
    set(Features.SVM, false);
    table.clear(LEAF_SVM);
  }
  // Enclaves need EPC memory, and the machine has none.
  set(Features.SGX, false);
  set(Features.SGX_LC, false);
  table.clear(LEAF_SGX);
  // The guest's memory is not encrypted by SEV, and SME is the host's alone.
  table.clear(LEAF_ENCRYPTED_MEMORY);
  if (!permitsAmx(table)) clearAmx(table);
}

/**
 * Tiles need a permission that the process has to ask for (ARCH_REQ_XCOMP_GUEST_PERM). Without it KVM takes
 * their state out of the XSAVE leaf and leaves the feature flags, which then promise what faults.
 */
function permitsAmx(table: CpuidTable): boolean {
  const xcr0 = table.find(LEAF_XSAVE)?.eax ?? 0;
  return (xcr0 & XCR0_AMX) === XCR0_AMX;
}

function clearAmx(table: CpuidTable): void {
  const { AMX_BF16, AMX_TILE, AMX_INT8, AMX_FP16, AMX_COMPLEX } = Features;
  const features: Feature[] = [AMX_BF16, AMX_TILE, AMX_INT8, AMX_FP16, AMX_COMPLEX];
  for (const feature of features) table.setBit(...feature, false);
  table.clear(LEAF_TILES);
  table.clear(LEAF_TMUL);
}

/** Whether a feature is there. */
export function hasFeature(table: CpuidTable, feature: Feature): boolean {
  return table.hasBit(...feature);
}
