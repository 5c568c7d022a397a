/**
 * x86: clocks, quirks, exits that can be switched off, kinds of VM, nested virtualization and struct kvm_run
 * (include/uapi/linux/kvm.h, arch/x86/include/uapi/asm/kvm.h).
 * @module
 */
import { pad, struct, u16, u32, u64, union, type ValueOf } from "../struct.ts";
import { kvmRunLayout } from "./run.ts";
import { KvmDebugExitArch, KvmVcpuEvents } from "./x86_events.ts";
import { KvmRegs, KvmSregs } from "./x86_regs.ts";

/** The guest's clock (kvmclock): KVM_GET_CLOCK, KVM_SET_CLOCK. All but host_tsc in nanoseconds. */
export const KvmClockData = struct("kvm_clock_data", {
  clock: u64,
  flags: u32,
  pad0: pad(1, 4),
  realtime: u64,
  host_tsc: u64,
  pad: pad(4, 4),
});
/** A value of {@link KvmClockData}. */
export type KvmClockData = ValueOf<typeof KvmClockData>;

/** `kvm_clock_data.flags`: all vCPUs read the same clock. */
export const KVM_CLOCK_TSC_STABLE = 2;
/** `kvm_clock_data.flags`: realtime is valid. */
export const KVM_CLOCK_REALTIME = 1 << 2;
/** `kvm_clock_data.flags`: host_tsc is valid. */
export const KVM_CLOCK_HOST_TSC = 1 << 3;

/** The vCPU's group of attributes for the time stamp counter. */
export const KVM_VCPU_TSC_CTRL = 0;
/** KVM_VCPU_TSC_CTRL: what is added to the host's counter. */
export const KVM_VCPU_TSC_OFFSET = 0;
/** The system descriptor's attribute: the XSAVE features that guests can be given. */
export const KVM_X86_XCOMP_GUEST_SUPP = 0;

/** KVM_CAP_X86_DISABLE_EXITS: MWAIT. */
export const KVM_X86_DISABLE_EXITS_MWAIT = 1 << 0;
/** KVM_CAP_X86_DISABLE_EXITS: HLT. */
export const KVM_X86_DISABLE_EXITS_HLT = 1 << 1;
/** KVM_CAP_X86_DISABLE_EXITS: PAUSE. */
export const KVM_X86_DISABLE_EXITS_PAUSE = 1 << 2;
/** KVM_CAP_X86_DISABLE_EXITS: core C-states. */
export const KVM_X86_DISABLE_EXITS_CSTATE = 1 << 3;
/** KVM_CAP_X86_DISABLE_EXITS: reads of APERF and MPERF. */
export const KVM_X86_DISABLE_EXITS_APERFMPERF = 1 << 4;

/** KVM_CAP_X2APIC_API: APIC ids have 32 bits. */
export const KVM_X2APIC_API_USE_32BIT_IDS = 1n << 0n;
/** KVM_CAP_X2APIC_API: id 0xff is an id, not a broadcast. */
export const KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK = 1n << 1n;
/** KVM_CAP_X2APIC_API: the guest may suppress EOI broadcasts. */
export const KVM_X2APIC_ENABLE_SUPPRESS_EOI_BROADCAST = 1n << 2n;
/** KVM_CAP_X2APIC_API: the guest may not suppress EOI broadcasts. */
export const KVM_X2APIC_DISABLE_SUPPRESS_EOI_BROADCAST = 1n << 3n;

/** KVM_X86_QUIRK_*, without the prefix: what KVM_CAP_DISABLE_QUIRKS2 switches off. */
export const KVM_X86_QUIRK = {
  LINT0_REENABLED: 1 << 0,
  CD_NW_CLEARED: 1 << 1,
  LAPIC_MMIO_HOLE: 1 << 2,
  OUT_7E_INC_RIP: 1 << 3,
  MISC_ENABLE_NO_MWAIT: 1 << 4,
  FIX_HYPERCALL_INSN: 1 << 5,
  MWAIT_NEVER_UD_FAULTS: 1 << 6,
  SLOT_ZAP_ALL: 1 << 7,
  STUFF_FEATURE_MSRS: 1 << 8,
  IGNORE_GUEST_PAT: 1 << 9,
  VMCS12_ALLOW_FREEZE_IN_SMM: 1 << 10,
  NESTED_SVM_SHARED_PAT: 1 << 11,
} as const;

/** KVM_CAP_X86_BUS_LOCK_EXIT: bus locks go unnoticed. */
export const KVM_BUS_LOCK_DETECTION_OFF = 1 << 0;
/** KVM_CAP_X86_BUS_LOCK_EXIT: a bus lock becomes KVM_EXIT_X86_BUS_LOCK. */
export const KVM_BUS_LOCK_DETECTION_EXIT = 1 << 1;
/** KVM_CAP_X86_NOTIFY_VMEXIT: guests that block events exit to KVM. */
export const KVM_X86_NOTIFY_VMEXIT_ENABLED = 1n << 0n;
/** KVM_CAP_X86_NOTIFY_VMEXIT: and from there to the VMM, as KVM_EXIT_NOTIFY. */
export const KVM_X86_NOTIFY_VMEXIT_USER = 1n << 1n;

/** KVM_CREATE_VM's argument: an ordinary VM. */
export const KVM_X86_DEFAULT_VM = 0;
/** KVM_CREATE_VM's argument: private memory without hardware protection, for tests. */
export const KVM_X86_SW_PROTECTED_VM = 1;
/** KVM_CREATE_VM's argument: AMD SEV. */
export const KVM_X86_SEV_VM = 2;
/** KVM_CREATE_VM's argument: AMD SEV-ES. */
export const KVM_X86_SEV_ES_VM = 3;
/** KVM_CREATE_VM's argument: AMD SEV-SNP. */
export const KVM_X86_SNP_VM = 4;
/** KVM_CREATE_VM's argument: Intel TDX. */
export const KVM_X86_TDX_VM = 5;

/** `kvm_run.flags`: the vCPU is in system management mode. */
export const KVM_RUN_X86_SMM = 1 << 0;
/** `kvm_run.flags`: a bus lock happened. */
export const KVM_RUN_X86_BUS_LOCK = 1 << 1;
/** `kvm_run.flags`: the vCPU runs a nested guest. */
export const KVM_RUN_X86_GUEST_MODE = 1 << 2;

/** The page of the vCPU's mapping that holds the data of KVM_EXIT_IO. */
export const KVM_PIO_PAGE_OFFSET = 1;
/** The page of the vCPU's mapping that is the coalesced MMIO ring. */
export const KVM_COALESCED_MMIO_PAGE_OFFSET = 2;
/** The page of the vCPU's descriptor where its dirty ring begins. */
export const KVM_DIRTY_LOG_PAGE_OFFSET = 64;

/** KVM_CAP_SYNC_REGS: kvm_regs. */
export const KVM_SYNC_X86_REGS = 1 << 0;
/** KVM_CAP_SYNC_REGS: kvm_sregs. */
export const KVM_SYNC_X86_SREGS = 1 << 1;
/** KVM_CAP_SYNC_REGS: kvm_vcpu_events. */
export const KVM_SYNC_X86_EVENTS = 1 << 2;
/** KVM_CAP_SYNC_REGS: all of them. */
export const KVM_SYNC_X86_VALID_FIELDS = 0x7;

/** The registers that struct kvm_run can carry. */
export const KvmSyncRegs = struct("kvm_sync_regs", {
  regs: KvmRegs,
  sregs: KvmSregs,
  events: KvmVcpuEvents,
});
/** A value of {@link KvmSyncRegs}. */
export type KvmSyncRegs = ValueOf<typeof KvmSyncRegs>;

/** struct kvm_run on x86. */
export const KvmRun = kvmRunLayout(KvmDebugExitArch, KvmSyncRegs);
/** A value of {@link KvmRun}. */
export type KvmRun = ValueOf<typeof KvmRun>;

/** The head of the nested state; what follows depends on `format`. `size` counts all of it. */
export const KvmNestedState = struct("kvm_nested_state", {
  flags: u16,
  format: u16,
  size: u32,
  hdr: union({
    vmx: struct("", {
      vmxon_pa: u64,
      vmcs12_pa: u64,
      smm: struct("", { flags: u16 }),
      pad: pad(1, 2),
      flags: u32,
      preemption_timer_deadline: u64,
    }),
    svm: struct("", { vmcb_pa: u64 }),
  }, 120),
});
/** A value of {@link KvmNestedState}. */
export type KvmNestedState = ValueOf<typeof KvmNestedState>;

/** `kvm_nested_state.format`: hdr.vmx. */
export const KVM_STATE_NESTED_FORMAT_VMX = 0;
/** `kvm_nested_state.format`: hdr.svm. */
export const KVM_STATE_NESTED_FORMAT_SVM = 1;
/** `kvm_nested_state.flags`: the vCPU runs a nested guest. */
export const KVM_STATE_NESTED_GUEST_MODE = 0x0000_0001;
/** `kvm_nested_state.flags`: a nested entry has yet to finish. */
export const KVM_STATE_NESTED_RUN_PENDING = 0x0000_0002;
/** `kvm_nested_state.flags`: an enlightened VMCS is in use. */
export const KVM_STATE_NESTED_EVMCS = 0x0000_0004;
/** `kvm_nested_state.flags`: a monitor trap waits. */
export const KVM_STATE_NESTED_MTF_PENDING = 0x0000_0008;
/** `kvm_nested_state.flags`: the global interrupt flag is set. */
export const KVM_STATE_NESTED_GIF_SET = 0x0000_0100;
/** `kvm_nested_state.hdr.vmx.smm.flags`: the SMI came in guest mode. */
export const KVM_STATE_NESTED_SMM_GUEST_MODE = 0x0000_0001;
/** `kvm_nested_state.hdr.vmx.smm.flags`: the SMI came in VMX operation. */
export const KVM_STATE_NESTED_SMM_VMXON = 0x0000_0002;
/** `kvm_nested_state.hdr.vmx.flags`: preemption_timer_deadline counts. */
export const KVM_STATE_VMX_PREEMPTION_TIMER_DEADLINE = 0x0000_0001;
/** The bytes of a VMCS in the nested state; there can be two. */
export const KVM_STATE_NESTED_VMX_VMCS_SIZE = 0x1000;
/** The bytes of a VMCB in the nested state. */
export const KVM_STATE_NESTED_SVM_VMCB_SIZE = 0x1000;
