/**
 * x86: the ioctls that it alone has, or whose argument it lays out (include/uapi/linux/kvm.h).
 * @module
 */
import { u64 } from "../struct.ts";
import { IO, IOR, IOW, IOWR } from "./ioc.ts";
import {
  KvmCpuid2,
  KvmMsrFilter,
  KvmMsrList,
  KvmMsrs,
  KvmPmuEventFilter,
  KvmTprAccessCtl,
  KvmVapicAddr,
  KvmX86Mce,
} from "./x86_cpu.ts";
import { KvmDebugregs, KvmGuestDebug, KvmVcpuEvents } from "./x86_events.ts";
import {
  KvmIrqchip,
  KvmLapicState,
  KvmPitConfig,
  KvmPitState,
  KvmPitState2,
} from "./x86_irqchip.ts";
import { KvmFpu, KvmRegs, KvmSregs, KvmSregs2, KvmXcrs, KvmXsave } from "./x86_regs.ts";
import { KvmClockData, KvmNestedState } from "./x86_vm.ts";

// System ioctls.

/** System ioctl: the MSRs that KVM_GET_MSRS and KVM_SET_MSRS take on this host. */
export const KVM_GET_MSR_INDEX_LIST = IOWR(0x02, KvmMsrList);
/** System ioctl: the CPUID that guests can be given. */
export const KVM_GET_SUPPORTED_CPUID = IOWR(0x05, KvmCpuid2);
/** System ioctl: the CPUID of what KVM emulates. */
export const KVM_GET_EMULATED_CPUID = IOWR(0x09, KvmCpuid2);
/** System ioctl: the MSRs that tell features; the system descriptor takes KVM_GET_MSRS for them. */
export const KVM_GET_MSR_FEATURE_INDEX_LIST = IOWR(0x0a, KvmMsrList);
/** System or vCPU ioctl: the CPUID of Hyper-V's interface. */
export const KVM_GET_SUPPORTED_HV_CPUID = IOWR(0xc1, KvmCpuid2);
/** System ioctl: the machine check capabilities (MCG_CAP) that guests can be given. */
export const KVM_X86_GET_MCE_CAP_SUPPORTED = IOR(0x9d, u64);

// VM ioctls.

/** VM ioctl: the shadow pages kept. */
export const KVM_SET_NR_MMU_PAGES = IO(0x44);
/** VM ioctl: how many shadow pages are kept. */
export const KVM_GET_NR_MMU_PAGES = IO(0x45);
/** VM ioctl: where three pages for real mode on old Intel processors are. */
export const KVM_SET_TSS_ADDR = IO(0x47);
/** VM ioctl: where a page table for the same is. */
export const KVM_SET_IDENTITY_MAP_ADDR = IOW(0x48, u64);
/** VM ioctl: a PIC or the I/O APIC. */
export const KVM_GET_IRQCHIP = IOWR(0x62, KvmIrqchip);
/** VM ioctl: sets it. (Its direction is wrong, for ever.) */
export const KVM_SET_IRQCHIP = IOR(0x63, KvmIrqchip);
/** VM ioctl: makes an 8254, without options. */
export const KVM_CREATE_PIT = IO(0x64);
/** VM ioctl: the 8254 in its first layout. */
export const KVM_GET_PIT = IOWR(0x65, KvmPitState);
/** VM ioctl: sets it. (Its direction is wrong, for ever.) */
export const KVM_SET_PIT = IOR(0x66, KvmPitState);
/** VM ioctl: whether lost ticks of the 8254 are made up for. */
export const KVM_REINJECT_CONTROL = IO(0x71);
/** VM ioctl: makes an 8254. */
export const KVM_CREATE_PIT2 = IOW(0x77, KvmPitConfig);
/** VM ioctl: sets the guest's clock. */
export const KVM_SET_CLOCK = IOW(0x7b, KvmClockData);
/** VM ioctl: the guest's clock. */
export const KVM_GET_CLOCK = IOR(0x7c, KvmClockData);
/** VM ioctl: the 8254. */
export const KVM_GET_PIT2 = IOR(0x9f, KvmPitState2);
/** VM ioctl: sets it. */
export const KVM_SET_PIT2 = IOW(0xa0, KvmPitState2);
/** VM ioctl: which performance events the guest can count. */
export const KVM_SET_PMU_EVENT_FILTER = IOW(0xb2, KvmPmuEventFilter);
/** VM ioctl: which MSRs the guest can use without its VMM. */
export const KVM_X86_SET_MSR_FILTER = IOW(0xc6, KvmMsrFilter);

// vCPU ioctls.

/** vCPU ioctl: the general registers. */
export const KVM_GET_REGS = IOR(0x81, KvmRegs);
/** vCPU ioctl: sets them. */
export const KVM_SET_REGS = IOW(0x82, KvmRegs);
/** vCPU ioctl: segment and control registers. */
export const KVM_GET_SREGS = IOR(0x83, KvmSregs);
/** vCPU ioctl: sets them. */
export const KVM_SET_SREGS = IOW(0x84, KvmSregs);
/** vCPU or system ioctl: MSRs. */
export const KVM_GET_MSRS = IOWR(0x88, KvmMsrs);
/** vCPU ioctl: sets MSRs. */
export const KVM_SET_MSRS = IOW(0x89, KvmMsrs);
/** vCPU ioctl: the x87 and SSE state. */
export const KVM_GET_FPU = IOR(0x8c, KvmFpu);
/** vCPU ioctl: sets it. */
export const KVM_SET_FPU = IOW(0x8d, KvmFpu);
/** vCPU ioctl: the local APIC. */
export const KVM_GET_LAPIC = IOR(0x8e, KvmLapicState);
/** vCPU ioctl: sets it. */
export const KVM_SET_LAPIC = IOW(0x8f, KvmLapicState);
/** vCPU ioctl: what CPUID answers. */
export const KVM_SET_CPUID2 = IOW(0x90, KvmCpuid2);
/** vCPU ioctl: what CPUID was set to answer. */
export const KVM_GET_CPUID2 = IOWR(0x91, KvmCpuid2);
/** vCPU ioctl: whether accesses to the task priority register exit. */
export const KVM_TPR_ACCESS_REPORTING = IOWR(0x92, KvmTprAccessCtl);
/** vCPU ioctl: where the virtual APIC of 32-bit Windows is. */
export const KVM_SET_VAPIC_ADDR = IOW(0x93, KvmVapicAddr);
/** vCPU ioctl: queues a non-maskable interrupt. */
export const KVM_NMI = IO(0x9a);
/** vCPU ioctl: debugs the guest from outside. */
export const KVM_SET_GUEST_DEBUG = IOW(0x9b, KvmGuestDebug);
/** vCPU ioctl: the machine check capabilities (MCG_CAP). */
export const KVM_X86_SETUP_MCE = IOW(0x9c, u64);
/** vCPU ioctl: injects a machine check. */
export const KVM_X86_SET_MCE = IOW(0x9e, KvmX86Mce);
/** vCPU ioctl: events on their way. */
export const KVM_GET_VCPU_EVENTS = IOR(0x9f, KvmVcpuEvents);
/** vCPU ioctl: sets them. */
export const KVM_SET_VCPU_EVENTS = IOW(0xa0, KvmVcpuEvents);
/** vCPU ioctl: the debug registers. */
export const KVM_GET_DEBUGREGS = IOR(0xa1, KvmDebugregs);
/** vCPU ioctl: sets them. */
export const KVM_SET_DEBUGREGS = IOW(0xa2, KvmDebugregs);
/** vCPU or VM ioctl: the frequency of the time stamp counter in kHz. */
export const KVM_SET_TSC_KHZ = IO(0xa2);
/** vCPU or VM ioctl: the frequency of the time stamp counter in kHz. */
export const KVM_GET_TSC_KHZ = IO(0xa3);
/** vCPU ioctl: the XSAVE area, 4 KiB of it. */
export const KVM_GET_XSAVE = IOR(0xa4, KvmXsave);
/** vCPU ioctl: sets it; as many bytes as KVM_CAP_XSAVE2 says. */
export const KVM_SET_XSAVE = IOW(0xa5, KvmXsave);
/** vCPU ioctl: the extended control registers. */
export const KVM_GET_XCRS = IOR(0xa6, KvmXcrs);
/** vCPU ioctl: sets them. */
export const KVM_SET_XCRS = IOW(0xa7, KvmXcrs);
/** vCPU ioctl: tells the guest's kvmclock that it was paused. */
export const KVM_KVMCLOCK_CTRL = IO(0xad);
/** vCPU ioctl: queues a system management interrupt. */
export const KVM_SMI = IO(0xb7);
/** vCPU ioctl: the state of nested virtualization. */
export const KVM_GET_NESTED_STATE = IOWR(0xbe, KvmNestedState);
/** vCPU ioctl: sets it. */
export const KVM_SET_NESTED_STATE = IOW(0xbf, KvmNestedState);
/** vCPU ioctl: segment and control registers with PDPTRs. */
export const KVM_GET_SREGS2 = IOR(0xcc, KvmSregs2);
/** vCPU ioctl: sets them. */
export const KVM_SET_SREGS2 = IOW(0xcd, KvmSregs2);
/** vCPU ioctl: the whole XSAVE area; as many bytes as KVM_CAP_XSAVE2 says. */
export const KVM_GET_XSAVE2 = IOR(0xcf, KvmXsave);
