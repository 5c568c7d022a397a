/**
 * The capabilities of KVM that machines need, and those that some can use.
 * @module
 */
import { type CapabilityName, KVM_CAP } from "../../kvm/mod.ts";
import type { Check } from "./check.ts";

/** What a capability is for. */
type Purposes = Readonly<Partial<Record<CapabilityName, string>>>;

/** Without these no machine is built, on any architecture. */
const NEEDED: Purposes = {
  USER_MEMORY: "guest memory from this process",
  IRQ_ROUTING: "interrupts to the pins and messages of a machine",
  IRQFD: "interrupts without a system call",
  IOEVENTFD: "notifications without an exit",
  MP_STATE: "vCPUs that wait for their start",
  IMMEDIATE_EXIT: "vCPUs that can be stopped without a race",
};

/** What an architecture's machines need beside that. */
const NEEDED_BY: Readonly<Record<typeof Deno.build.arch, Purposes>> = {
  x86_64: {
    IRQCHIP: "interrupt controllers in the kernel",
    SET_TSS_ADDR: "real mode on Intel processors",
    SET_IDENTITY_MAP_ADDR: "real mode on Intel processors",
    PIT2: "the timer of a PC",
    EXT_CPUID: "CPUID as the host's KVM supports it",
  },
  aarch64: {
    DEVICE_CTRL: "the interrupt controller in the kernel",
    ONE_REG: "registers of vCPUs",
    ARM_PSCI_0_2: "vCPUs that are started by firmware calls",
  },
};

/** Machines can do without these, or some of them. */
const OPTIONAL: Purposes = {
  SYNC_REGS: "registers without a system call",
  INTERNAL_ERROR_DATA: "details of a crash",
  VCPU_EVENTS: "snapshots: pending exceptions and interrupts",
  SIGNAL_MSI: "message-signalled interrupts",
  IRQFD_RESAMPLE: "level-triggered interrupts without a system call",
  COALESCED_MMIO: "writes to devices in batches",
  READONLY_MEM: "read-only memory",
  MANUAL_DIRTY_LOG_PROTECT2: "cheap tracking of written pages",
  DIRTY_LOG_RING: "tracking of written pages in a ring",
  SET_GUEST_DEBUG: "debugging of guests",
};

/** What an architecture can use beside that. */
const OPTIONAL_BY: Readonly<Record<typeof Deno.build.arch, Purposes>> = {
  x86_64: {
    X86_TRIPLE_FAULT_EVENT: "triple faults kept in snapshots",
    DEBUGREGS: "snapshots: debug registers",
    XSAVE: "snapshots: floating-point and vector state",
    XSAVE2: "snapshots: vector state beyond 4 KiB",
    XCRS: "snapshots: extended control registers",
    ADJUST_CLOCK: "snapshots: the guest's clock",
    TSC_CONTROL: "a guest's TSC at a frequency of its own",
    GET_TSC_KHZ: "the TSC's frequency told to the guest",
    TSC_DEADLINE_TIMER: "precise timers of the local APIC",
    X2APIC_API: "more than 255 vCPUs",
    SPLIT_IRQCHIP: "an I/O APIC outside the kernel",
    COALESCED_PIO: "writes to ports in batches",
    X86_MSR_FILTER: "model-specific registers handled in this process",
    EXIT_ON_EMULATION_FAILURE: "emulation failures of user code told",
  },
  aarch64: {
    ARM_VM_IPA_SIZE: "guests with more than 1 TiB of addresses",
    ARM_PMU_V3: "performance counters",
  },
};

/**
 * One finding for each capability, those that are needed first.
 *
 * @param supports KVM_CHECK_EXTENSION
 */
export function capabilityChecks(supports: (capability: number) => number): Check[] {
  const { arch } = Deno.build;
  const needed = { ...NEEDED, ...NEEDED_BY[arch] };
  const optional = { ...OPTIONAL, ...OPTIONAL_BY[arch] };
  return [
    ...Object.entries(needed).map(([name, use]) => check(name, use, true, supports)),
    ...Object.entries(optional).map(([name, use]) => check(name, use, false, supports)),
  ];
}

function check(
  name: string,
  detail: string,
  needed: boolean,
  supports: (capability: number) => number,
): Check {
  const found = { area: "capabilities", name: `KVM_CAP_${name}`, detail } as const;
  // The tables' keys are names of capabilities: their type says so.
  if (supports(KVM_CAP[name as CapabilityName]) > 0) return { ...found, status: "ok" };
  if (!needed) return { ...found, status: "absent" };
  return {
    ...found,
    status: "missing",
    remedy: "run a newer kernel, or one that is built with it",
  };
}
