/**
 * x86: events that wait to be delivered, and debugging (arch/x86/include/uapi/asm/kvm.h).
 * @module
 */
import { array, pad, struct, u32, u64, u8, type ValueOf } from "../struct.ts";

/** Exceptions, interrupts, NMIs and SMIs on their way: KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS. */
export const KvmVcpuEvents = struct("kvm_vcpu_events", {
  exception: struct("", { injected: u8, nr: u8, has_error_code: u8, pending: u8, error_code: u32 }),
  interrupt: struct("", { injected: u8, nr: u8, soft: u8, shadow: u8 }),
  nmi: struct("", { injected: u8, pending: u8, masked: u8, pad: pad(1) }),
  sipi_vector: u32,
  flags: u32,
  smi: struct("", { smm: u8, pending: u8, smm_inside_nmi: u8, latched_init: u8 }),
  triple_fault: struct("", { pending: u8 }),
  reserved: pad(26),
  exception_has_payload: u8,
  exception_payload: u64,
});
/** A value of {@link KvmVcpuEvents}. */
export type KvmVcpuEvents = ValueOf<typeof KvmVcpuEvents>;

/** `kvm_vcpu_events.flags`: nmi.pending counts. */
export const KVM_VCPUEVENT_VALID_NMI_PENDING = 0x0000_0001;
/** `kvm_vcpu_events.flags`: sipi_vector counts. */
export const KVM_VCPUEVENT_VALID_SIPI_VECTOR = 0x0000_0002;
/** `kvm_vcpu_events.flags`: interrupt.shadow counts. */
export const KVM_VCPUEVENT_VALID_SHADOW = 0x0000_0004;
/** `kvm_vcpu_events.flags`: smi counts. */
export const KVM_VCPUEVENT_VALID_SMM = 0x0000_0008;
/** `kvm_vcpu_events.flags`: the exception's payload and pending count. */
export const KVM_VCPUEVENT_VALID_PAYLOAD = 0x0000_0010;
/** `kvm_vcpu_events.flags`: triple_fault counts. */
export const KVM_VCPUEVENT_VALID_TRIPLE_FAULT = 0x0000_0020;
/** `kvm_vcpu_events.interrupt.shadow`: behind MOV SS. */
export const KVM_X86_SHADOW_INT_MOV_SS = 0x01;
/** `kvm_vcpu_events.interrupt.shadow`: behind STI. */
export const KVM_X86_SHADOW_INT_STI = 0x02;

/** The debug registers: KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS. */
export const KvmDebugregs = struct("kvm_debugregs", {
  db: array(u64, 4),
  dr6: u64,
  dr7: u64,
  flags: u64,
  reserved: pad(9, 8),
});
/** A value of {@link KvmDebugregs}. */
export type KvmDebugregs = ValueOf<typeof KvmDebugregs>;

/** The debug registers that KVM_SET_GUEST_DEBUG gives the vCPU: 0 to 3, 6 and 7. */
export const KvmGuestDebugArch = struct("kvm_guest_debug_arch", { debugreg: array(u64, 8) });

/** The argument of KVM_SET_GUEST_DEBUG. */
export const KvmGuestDebug = struct("kvm_guest_debug", {
  control: u32,
  pad: pad(1, 4),
  arch: KvmGuestDebugArch,
});
/** A value of {@link KvmGuestDebug}. */
export type KvmGuestDebug = ValueOf<typeof KvmGuestDebug>;

/** KVM_SET_GUEST_DEBUG's control: INT3 becomes KVM_EXIT_DEBUG. */
export const KVM_GUESTDBG_USE_SW_BP = 0x0001_0000;
/** KVM_SET_GUEST_DEBUG's control: the breakpoints in debugreg are used. */
export const KVM_GUESTDBG_USE_HW_BP = 0x0002_0000;
/** KVM_SET_GUEST_DEBUG's control: inject a debug exception. */
export const KVM_GUESTDBG_INJECT_DB = 0x0004_0000;
/** KVM_SET_GUEST_DEBUG's control: inject a breakpoint exception. */
export const KVM_GUESTDBG_INJECT_BP = 0x0008_0000;
/** KVM_SET_GUEST_DEBUG's control: no interrupts while single-stepping. */
export const KVM_GUESTDBG_BLOCKIRQ = 0x0010_0000;

/** What KVM_EXIT_DEBUG tells. */
export const KvmDebugExitArch = struct("kvm_debug_exit_arch", {
  exception: u32,
  pad: pad(1, 4),
  pc: u64,
  dr6: u64,
  dr7: u64,
});
/** A value of {@link KvmDebugExitArch}. */
export type KvmDebugExitArch = ValueOf<typeof KvmDebugExitArch>;

/** The vector of the divide error. */
export const DE_VECTOR = 0;
/** The vector of the debug exception. */
export const DB_VECTOR = 1;
/** The vector of the breakpoint exception. */
export const BP_VECTOR = 3;
/** The vector of the overflow exception. */
export const OF_VECTOR = 4;
/** The vector of the bound range exception. */
export const BR_VECTOR = 5;
/** The vector of the invalid opcode exception. */
export const UD_VECTOR = 6;
/** The vector of the device not available exception. */
export const NM_VECTOR = 7;
/** The vector of the double fault. */
export const DF_VECTOR = 8;
/** The vector of the invalid TSS exception. */
export const TS_VECTOR = 10;
/** The vector of the segment not present exception. */
export const NP_VECTOR = 11;
/** The vector of the stack fault. */
export const SS_VECTOR = 12;
/** The vector of the general protection fault. */
export const GP_VECTOR = 13;
/** The vector of the page fault. */
export const PF_VECTOR = 14;
/** The vector of the x87 floating-point exception. */
export const MF_VECTOR = 16;
/** The vector of the alignment check. */
export const AC_VECTOR = 17;
/** The vector of the machine check. */
export const MC_VECTOR = 18;
/** The vector of the SIMD floating-point exception. */
export const XM_VECTOR = 19;
/** The vector of the virtualization exception. */
export const VE_VECTOR = 20;
