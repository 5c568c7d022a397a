/**
 * A virtual processor on x86-64.
 *
 * "Sets it" takes what the getter gave, or any part of it; what is left out becomes zero, as in a C struct.
 * @module
 */
import { E2BIG, SysError } from "../ffi/errno.ts";
import type { Fd } from "../ffi/fd.ts";
import type { SharedMapping } from "../ffi/mapping.ts";
import { KVM_INTERRUPT, KVM_TRANSLATE, KvmInterrupt, KvmTranslation } from "./bindings/mod.ts";
import {
  KVM_GET_DEBUGREGS,
  KVM_GET_NESTED_STATE,
  KVM_GET_TSC_KHZ,
  KVM_GET_VCPU_EVENTS,
  KVM_KVMCLOCK_CTRL,
  KVM_NMI,
  KVM_SET_DEBUGREGS,
  KVM_SET_GUEST_DEBUG,
  KVM_SET_NESTED_STATE,
  KVM_SET_TSC_KHZ,
  KVM_SET_VCPU_EVENTS,
  KVM_SMI,
  KVM_TPR_ACCESS_REPORTING,
  KVM_X86_SET_MCE,
  KVM_X86_SETUP_MCE,
  KvmDebugregs,
  KvmGuestDebug,
  KvmNestedState,
  KvmTprAccessCtl,
  KvmVcpuEvents,
  KvmX86Mce,
} from "./bindings/x86.ts";
import type { InputOf } from "./struct.ts";
import { VcpuRegisters, type X86VcpuSpec } from "./vcpu_registers.ts";

/** The answer to a translation. */
export interface Translation {
  /** The guest physical address. */
  readonly physicalAddress: number;
  /** Whether it may be written. */
  readonly writeable: boolean;
  /** Whether code at CPL 3 may use it. */
  readonly usermode: boolean;
}

/** The state of nested virtualization. */
export interface NestedState {
  /** Which format, and the head of that format. `size` is not needed to set it. */
  readonly header: InputOf<typeof KvmNestedState>;
  /** What follows: VMCSs or a VMCB. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** A vCPU on x86-64. */
export class Vcpu extends VcpuRegisters {
  /** The vCPU behind a descriptor and its mapping, both of which it owns from now on. */
  static own(id: number, fd: Fd, run: SharedMapping, xsaveSize: number): Vcpu {
    return new Vcpu(id, fd, run, xsaveSize);
  }

  /** The vCPU of another isolate, which owns it: for the Worker that runs it. */
  static attach({ id, fd, run, xsaveSize }: X86VcpuSpec): Vcpu {
    return new Vcpu(id, fd, run, xsaveSize);
  }

  /** What another isolate needs in order to attach. */
  override get spec(): X86VcpuSpec {
    return { ...super.spec, xsaveSize: this.xsaveSize };
  }

  /**
   * [KVM_GET_VCPU_EVENTS](https://docs.kernel.org/virt/kvm/api.html#kvm-get-vcpu-events): exceptions, interrupts,
   * NMIs and SMIs on their way.
   */
  getVcpuEvents(): KvmVcpuEvents {
    return this.get("KVM_GET_VCPU_EVENTS", KVM_GET_VCPU_EVENTS, KvmVcpuEvents);
  }

  /**
   * [KVM_SET_VCPU_EVENTS](https://docs.kernel.org/virt/kvm/api.html#kvm-set-vcpu-events): sets them; the flags
   * KVM_VCPUEVENT_VALID_* tell which of the optional ones count.
   */
  setVcpuEvents(events: InputOf<typeof KvmVcpuEvents>): void {
    this.set("KVM_SET_VCPU_EVENTS", KVM_SET_VCPU_EVENTS, KvmVcpuEvents, events);
  }

  /** [KVM_GET_DEBUGREGS](https://docs.kernel.org/virt/kvm/api.html#kvm-get-debugregs): DR0 to DR7. */
  getDebugregs(): KvmDebugregs {
    return this.get("KVM_GET_DEBUGREGS", KVM_GET_DEBUGREGS, KvmDebugregs);
  }

  /** [KVM_SET_DEBUGREGS](https://docs.kernel.org/virt/kvm/api.html#kvm-set-debugregs): sets them. */
  setDebugregs(debugregs: InputOf<typeof KvmDebugregs>): void {
    this.set("KVM_SET_DEBUGREGS", KVM_SET_DEBUGREGS, KvmDebugregs, debugregs);
  }

  /**
   * [KVM_SET_GUEST_DEBUG](https://docs.kernel.org/virt/kvm/api.html#kvm-set-guest-debug): debugs the guest from
   * outside: KVM_EXIT_DEBUG at breakpoints or after each instruction.
   *
   * @param control a set of KVM_GUESTDBG_*; 0 ends it
   * @param debugreg the breakpoints: DR0 to DR3 at 0 to 3, DR7 at 7
   */
  setGuestDebug(control: number, debugreg: readonly bigint[] = []): void {
    const value = { control, arch: { debugreg } };
    this.set("KVM_SET_GUEST_DEBUG", KVM_SET_GUEST_DEBUG, KvmGuestDebug, value);
  }

  /**
   * [KVM_GET_TSC_KHZ](https://docs.kernel.org/virt/kvm/api.html#kvm-get-tsc-khz): the frequency of the time stamp
   * counter that the guest sees.
   */
  getTscKhz(): number {
    return this.callValue("KVM_GET_TSC_KHZ", KVM_GET_TSC_KHZ);
  }

  /**
   * [KVM_SET_TSC_KHZ](https://docs.kernel.org/virt/kvm/api.html#kvm-set-tsc-khz): sets it; another frequency
   * than the host's needs KVM_CAP_TSC_CONTROL.
   */
  setTscKhz(khz: number): void {
    this.callValue("KVM_SET_TSC_KHZ", KVM_SET_TSC_KHZ, khz);
  }

  /**
   * [KVM_KVMCLOCK_CTRL](https://docs.kernel.org/virt/kvm/api.html#kvm-kvmclock-ctrl): tells the guest that it was
   * paused, so that it does not take the gap for a lockup.
   *
   * @throws {SysError} EINVAL where the guest uses no kvmclock
   */
  kvmclockCtrl(): void {
    this.callValue("KVM_KVMCLOCK_CTRL", KVM_KVMCLOCK_CTRL);
  }

  /**
   * [KVM_INTERRUPT](https://docs.kernel.org/virt/kvm/api.html#kvm-interrupt): queues an external interrupt.
   *
   * @throws {SysError} ENXIO where KVM emulates the interrupt controller
   */
  interrupt(vector: number): void {
    this.set("KVM_INTERRUPT", KVM_INTERRUPT, KvmInterrupt, { irq: vector });
  }

  /** [KVM_NMI](https://docs.kernel.org/virt/kvm/api.html#kvm-nmi): queues a non-maskable interrupt. */
  nmi(): void {
    this.callValue("KVM_NMI", KVM_NMI);
  }

  /** [KVM_SMI](https://docs.kernel.org/virt/kvm/api.html#kvm-smi): queues a system management interrupt. */
  smi(): void {
    this.callValue("KVM_SMI", KVM_SMI);
  }

  /**
   * [KVM_TRANSLATE](https://docs.kernel.org/virt/kvm/api.html#kvm-translate): where the vCPU's page tables lead.
   *
   * @returns undefined where nothing is mapped
   */
  translate(linearAddress: bigint): Translation | undefined {
    const bytes = KvmTranslation.encode({ linear_address: BigInt.asUintN(64, linearAddress) });
    this.call("KVM_TRANSLATE", KVM_TRANSLATE, bytes);
    const { valid, physical_address, writeable, usermode } = KvmTranslation.decode(bytes);
    if (valid === 0) return undefined;
    return {
      physicalAddress: Number(physical_address),
      writeable: writeable !== 0,
      usermode: usermode !== 0,
    };
  }

  /**
   * KVM_TPR_ACCESS_REPORTING: whether accesses to the task priority register become KVM_EXIT_TPR_ACCESS. Needs
   * KVM_CAP_VAPIC.
   */
  tprAccessReporting(enabled: boolean): void {
    const value = { enabled: enabled ? 1 : 0 };
    this.set("KVM_TPR_ACCESS_REPORTING", KVM_TPR_ACCESS_REPORTING, KvmTprAccessCtl, value);
  }

  /**
   * [KVM_X86_SETUP_MCE](https://docs.kernel.org/virt/kvm/api.html#kvm-x86-setup-mce): sets MCG_CAP: the number of
   * banks in the low byte, and capabilities.
   */
  x86SetupMce(mcgCap: bigint): void {
    this.call("KVM_X86_SETUP_MCE", KVM_X86_SETUP_MCE, new BigUint64Array([mcgCap]));
  }

  /** [KVM_X86_SET_MCE](https://docs.kernel.org/virt/kvm/api.html#kvm-x86-set-mce): injects a machine check. */
  x86SetMce(mce: InputOf<typeof KvmX86Mce>): void {
    this.set("KVM_X86_SET_MCE", KVM_X86_SET_MCE, KvmX86Mce, mce);
  }

  /**
   * [KVM_GET_NESTED_STATE](https://docs.kernel.org/virt/kvm/api.html#kvm-get-nested-state): the state of nested
   * virtualization. Needs KVM_CAP_NESTED_STATE.
   */
  getNestedState(): NestedState {
    let size = KvmNestedState.size;
    for (;;) {
      const bytes = new Uint8Array(size);
      KvmNestedState.encodeInto(bytes, { size });
      try {
        this.call("KVM_GET_NESTED_STATE", KVM_GET_NESTED_STATE, bytes);
        const header = KvmNestedState.decode(bytes);
        return { header, data: bytes.slice(KvmNestedState.size, header.size) };
      } catch (error) {
        // KVM tells how many bytes there are when there is too little room.
        const needed = KvmNestedState.decode(bytes).size;
        if (!(error instanceof SysError) || error.errno !== E2BIG || needed <= size) throw error;
        size = needed;
      }
    }
  }

  /** [KVM_SET_NESTED_STATE](https://docs.kernel.org/virt/kvm/api.html#kvm-set-nested-state): sets it. */
  setNestedState({ header, data }: NestedState): void {
    const bytes = new Uint8Array(KvmNestedState.size + data.length);
    KvmNestedState.encodeInto(bytes, { ...header, size: bytes.length });
    bytes.set(data, KvmNestedState.size);
    this.call("KVM_SET_NESTED_STATE", KVM_SET_NESTED_STATE, bytes);
  }
}
