/**
 * Model-specific registers at the guest's first instruction.
 *
 * Sources: Intel SDM volume 4; AMD64 APM volume 2, appendix A. The selection is what boot firmware leaves.
 *
 * @module
 */
import { MsrError, type Vcpu } from "../../kvm/mod.ts";
import { type CpuidTable, Features, hasFeature } from "./cpuid/mod.ts";

/** An MSR of the boot state. */
export interface BootMsr {
  /** The manual's name. */
  readonly name: string;
  readonly index: number;
  /** Its value; or the bits that are set in the value that it has. */
  readonly value: bigint | { readonly set: bigint };
  /** Why the guest runs well without it; a register without this is needed. */
  readonly dispensable?: string;
}

/** An MSR that this host did not take. */
export interface SkippedMsr {
  readonly name: string;
  readonly index: number;
  /** Why the guest runs well without it. */
  readonly because: string;
}

/** MTRRs on, fixed ranges off, write-back by default: all memory is cacheable. */
const MTRR_ENABLE = 1n << 11n;
const WRITE_BACK = 6n;
/** IA32_MISC_ENABLE: REP MOVS and REP STOS may go fast. */
const FAST_STRING = 1n << 0n;
/** HWCR: the TSC counts at the frequency of P-state 0. */
const TSC_FREQ_SEL = 1n << 24n;

/** The registers for a processor that answers CPUID as `cpuid` says. */
export function bootMsrs(cpuid: CpuidTable): BootMsr[] {
  const msrs: BootMsr[] = [
    { name: "IA32_SYSENTER_CS", index: 0x174, value: 0n },
    { name: "IA32_SYSENTER_ESP", index: 0x175, value: 0n },
    { name: "IA32_SYSENTER_EIP", index: 0x176, value: 0n },
    { name: "STAR", index: 0xc000_0081, value: 0n },
    { name: "LSTAR", index: 0xc000_0082, value: 0n },
    { name: "CSTAR", index: 0xc000_0083, value: 0n },
    { name: "SYSCALL_MASK", index: 0xc000_0084, value: 0n },
    { name: "KERNEL_GS_BASE", index: 0xc000_0102, value: 0n },
    {
      name: "IA32_TIME_STAMP_COUNTER",
      index: 0x10,
      value: 0n,
      dispensable:
        "KVM keeps the vCPUs' counters in step by itself; the guest's just don't begin at 0",
    },
    {
      name: "IA32_MISC_ENABLE",
      index: 0x1a0,
      value: { set: FAST_STRING },
      dispensable: "kernels then choose other ways to copy and fill memory",
    },
  ];
  if (hasFeature(cpuid, Features.MTRR)) {
    // Without it Linux takes all memory for uncacheable by MTRR, and does without PAT.
    msrs.push({ name: "IA32_MTRR_DEF_TYPE", index: 0x2ff, value: MTRR_ENABLE | WRITE_BACK });
  }
  if (cpuid.vendor === "amd" && hasFeature(cpuid, Features.INVARIANT_TSC)) {
    msrs.push({
      name: "HWCR",
      index: 0xc001_0015,
      value: { set: TSC_FREQ_SEL },
      dispensable: "KVM takes it from 6.7 on; before, Linux says that the firmware forgot it",
    });
  }
  return msrs;
}

/** What is asked of the vCPU. */
export type MsrVcpu = Pick<Vcpu, "getMsrs" | "setMsrs">;

/**
 * Sets the registers.
 *
 * @returns those that this host refused and that the guest can do without
 * @throws {MsrError} that names a register which the host refused and the guest needs
 */
export function setBootMsrs(vcpu: MsrVcpu, msrs: readonly BootMsr[]): SkippedMsr[] {
  const skipped: SkippedMsr[] = [];
  const skip = (error: unknown, { name, index, dispensable }: BootMsr) => {
    if (!(error instanceof MsrError) || dispensable === undefined) throw error;
    skipped.push({ name, index, because: dispensable });
  };
  let rest = msrs.flatMap((msr) => {
    if (typeof msr.value === "bigint") return [{ msr, data: msr.value }];
    try {
      const [now] = vcpu.getMsrs([msr.index]);
      return [{ msr, data: now | msr.value.set }];
    } catch (error) {
      skip(error, msr);
      return [];
    }
  });
  // KVM stops at the first one that it refuses: go on behind it.
  while (rest.length > 0) {
    try {
      vcpu.setMsrs(rest.map(({ msr, data }) => ({ index: msr.index, data })));
      break;
    } catch (error) {
      if (!(error instanceof MsrError)) throw error;
      skip(error, rest[error.done].msr);
      rest = rest.slice(error.done + 1);
    }
  }
  return skipped;
}
