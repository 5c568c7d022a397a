/**
 * struct kvm_run, the memory that a vCPU's descriptor shows (include/uapi/linux/kvm.h).
 *
 * The head and most exits are alike everywhere; what KVM_EXIT_DEBUG tells and the registers of
 * KVM_CAP_SYNC_REGS are an architecture's own. An architecture builds its layout with {@link kvmRunLayout}.
 * @module
 */
import {
  anonymousUnion,
  array,
  bytes,
  type CType,
  pad,
  struct,
  type StructType,
  u16,
  u32,
  u64,
  u8,
  union,
  type UnionType,
} from "../struct.ts";

/** The room for the registers of KVM_CAP_SYNC_REGS in struct kvm_run. */
export const SYNC_REGS_SIZE_BYTES = 2048;

/** The size of the union that the exits share. */
const EXIT_UNION_SIZE = 256;

/** The exits whose layout is alike on all architectures, by their C names. */
const exits = {
  hw: struct("", { hardware_exit_reason: u64 }),
  fail_entry: struct("", { hardware_entry_failure_reason: u64, cpu: u32 }),
  ex: struct("", { exception: u32, error_code: u32 }),
  io: struct("", { direction: u8, size: u8, port: u16, count: u32, data_offset: u64 }),
  mmio: struct("", { phys_addr: u64, data: bytes(8), len: u32, is_write: u8 }),
  hypercall: struct("", { nr: u64, args: array(u64, 6), ret: u64, longmode: u32, pad: pad(1, 4) }),
  tpr_access: struct("", { rip: u64, is_write: u32, pad: pad(1, 4) }),
  internal: struct("", { suberror: u32, ndata: u32, data: array(u64, 16) }),
  emulation_failure: struct("", {
    suberror: u32,
    ndata: u32,
    flags: u64,
    insn_size: u8,
    insn_bytes: bytes(15),
  }),
  system_event: struct("", { type: u32, ndata: u32, data: array(u64, 16) }),
  eoi: struct("", { vector: u8 }),
  arm_nisv: struct("", { esr_iss: u64, fault_ipa: u64 }),
  msr: struct("", { error: u8, pad: pad(7), reason: u32, index: u32, data: u64 }),
  notify: struct("", { flags: u32 }),
  memory_fault: struct("", { flags: u64, gpa: u64, size: u64 }),
  arm_sea: struct("", { flags: u64, esr: u64, gva: u64, gpa: u64 }),
} as const;

/** The fields of struct kvm_run. */
type RunFields<D extends CType, S extends CType> = {
  readonly request_interrupt_window: typeof u8;
  readonly immediate_exit: typeof u8;
  readonly padding1: ReturnType<typeof pad>;
  readonly exit_reason: typeof u32;
  readonly ready_for_interrupt_injection: typeof u8;
  readonly if_flag: typeof u8;
  readonly flags: typeof u16;
  readonly cr8: typeof u64;
  readonly apic_base: typeof u64;
  readonly exit: UnionType<typeof exits & { readonly debug: StructType<{ readonly arch: D }> }>;
  readonly kvm_valid_regs: typeof u64;
  readonly kvm_dirty_regs: typeof u64;
  readonly s: UnionType<{ readonly regs: S }>;
};

/**
 * struct kvm_run of an architecture. `exit` is the union that has no name in C.
 *
 * @param debugExitArch its struct kvm_debug_exit_arch
 * @param syncRegs its struct kvm_sync_regs
 */
export function kvmRunLayout<D extends CType, S extends CType>(
  debugExitArch: D,
  syncRegs: S,
): StructType<RunFields<D, S>> {
  return struct("kvm_run", {
    request_interrupt_window: u8,
    immediate_exit: u8,
    padding1: pad(6),
    exit_reason: u32,
    ready_for_interrupt_injection: u8,
    if_flag: u8,
    flags: u16,
    cr8: u64,
    apic_base: u64,
    exit: anonymousUnion(
      { ...exits, debug: struct("", { arch: debugExitArch }) },
      EXIT_UNION_SIZE,
    ),
    kvm_valid_regs: u64,
    kvm_dirty_regs: u64,
    s: union({ regs: syncRegs }, SYNC_REGS_SIZE_BYTES),
  });
}
