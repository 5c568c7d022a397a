/**
 * Why KVM_RUN came back: exit reasons and what qualifies them (include/uapi/linux/kvm.h).
 * @module
 */

/** KVM_EXIT_*, without the prefix: `kvm_run.exit_reason`, for all architectures. */
export const KVM_EXIT = {
  UNKNOWN: 0,
  EXCEPTION: 1,
  IO: 2,
  HYPERCALL: 3,
  DEBUG: 4,
  HLT: 5,
  MMIO: 6,
  IRQ_WINDOW_OPEN: 7,
  SHUTDOWN: 8,
  FAIL_ENTRY: 9,
  INTR: 10,
  SET_TPR: 11,
  TPR_ACCESS: 12,
  S390_SIEIC: 13,
  S390_RESET: 14,
  DCR: 15,
  NMI: 16,
  INTERNAL_ERROR: 17,
  OSI: 18,
  PAPR_HCALL: 19,
  S390_UCONTROL: 20,
  WATCHDOG: 21,
  S390_TSCH: 22,
  EPR: 23,
  SYSTEM_EVENT: 24,
  S390_STSI: 25,
  IOAPIC_EOI: 26,
  HYPERV: 27,
  ARM_NISV: 28,
  X86_RDMSR: 29,
  X86_WRMSR: 30,
  DIRTY_RING_FULL: 31,
  AP_RESET_HOLD: 32,
  X86_BUS_LOCK: 33,
  XEN: 34,
  RISCV_SBI: 35,
  RISCV_CSR: 36,
  NOTIFY: 37,
  LOONGARCH_IOCSR: 38,
  MEMORY_FAULT: 39,
  TDX: 40,
  ARM_SEA: 41,
  ARM_LDST64B: 42,
  SNP_REQ_CERTS: 43,
} as const;

/** The direction of a KVM_EXIT_IO: the guest reads a port. */
export const KVM_EXIT_IO_IN = 0;
/** The direction of a KVM_EXIT_IO: the guest writes a port. */
export const KVM_EXIT_IO_OUT = 1;

/** KVM_INTERNAL_ERROR_*, without the prefix: the suberror of KVM_EXIT_INTERNAL_ERROR. */
export const KVM_INTERNAL_ERROR = {
  /** An instruction could not be emulated. */
  EMULATION: 1,
  /** Exceptions came together that can't. */
  SIMUL_EX: 2,
  /** A VM exit happened while an event was delivered. */
  DELIVERY_EV: 3,
  /** The hardware gave an exit reason that KVM does not handle. */
  UNEXPECTED_EXIT_REASON: 4,
} as const;

/** `kvm_run.emulation_failure.flags`: insn_size and insn_bytes are valid. */
export const KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES = 1n << 0n;

/** KVM_SYSTEM_EVENT_*, without the prefix: the type of KVM_EXIT_SYSTEM_EVENT. */
export const KVM_SYSTEM_EVENT = {
  SHUTDOWN: 1,
  RESET: 2,
  CRASH: 3,
  WAKEUP: 4,
  SUSPEND: 5,
  SEV_TERM: 6,
  TDX_FATAL: 7,
} as const;

/** `kvm_run.msr.reason`: the access is invalid (#GP on hardware). */
export const KVM_MSR_EXIT_REASON_INVAL = 1 << 0;
/** `kvm_run.msr.reason`: KVM does not know the MSR. */
export const KVM_MSR_EXIT_REASON_UNKNOWN = 1 << 1;
/** `kvm_run.msr.reason`: the MSR filter denied the access. */
export const KVM_MSR_EXIT_REASON_FILTER = 1 << 2;

/** `kvm_run.notify.flags`: the vCPU's context is corrupted and must not be run again. */
export const KVM_NOTIFY_CONTEXT_INVALID = 1 << 0;

/** `kvm_run.memory_fault.flags`: the access was to private memory. */
export const KVM_MEMORY_EXIT_FLAG_PRIVATE = 1n << 3n;

/** `kvm_run.arm_sea.flags`: gpa is valid. */
export const KVM_EXIT_ARM_SEA_FLAG_GPA_VALID = 1n << 0n;

/** KVM_EXIT_HYPERV_*, without the prefix: the type of KVM_EXIT_HYPERV. */
export const KVM_EXIT_HYPERV = {
  SYNIC: 1,
  HCALL: 2,
  SYNDBG: 3,
} as const;

/** KVM_EXIT_XEN_*, without the prefix: the type of KVM_EXIT_XEN. */
export const KVM_EXIT_XEN = {
  HCALL: 1,
} as const;

function nameIn(table: Readonly<Record<string, number>>, prefix: string, number: number): string {
  for (const [name, value] of Object.entries(table)) {
    if (value === number) return `${prefix}_${name}`;
  }
  return `${prefix} ${number}`;
}

/** The full name of an exit reason, such as `"KVM_EXIT_MMIO"`; its number where it has none. */
export function exitReasonName(reason: number): string {
  return nameIn(KVM_EXIT, "KVM_EXIT", reason);
}

/** The full name of a suberror, such as `"KVM_INTERNAL_ERROR_EMULATION"`; its number where it has none. */
export function internalErrorName(suberror: number): string {
  return nameIn(KVM_INTERNAL_ERROR, "KVM_INTERNAL_ERROR", suberror);
}

/** The full name of a system event, such as `"KVM_SYSTEM_EVENT_RESET"`; its number where it has none. */
export function systemEventName(type: number): string {
  return nameIn(KVM_SYSTEM_EVENT, "KVM_SYSTEM_EVENT", type);
}
