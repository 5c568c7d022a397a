/**
 * A virtual machine on x86-64: its vCPUs, interrupt controllers, timer and clocks.
 * @module
 */
import type { Fd } from "../ffi/mod.ts";
import { KVM_CAP } from "./bindings/mod.ts";
import {
  KVM_CREATE_PIT2,
  KVM_GET_CLOCK,
  KVM_GET_IRQCHIP,
  KVM_GET_PIT2,
  KVM_GET_TSC_KHZ,
  KVM_MSR_FILTER_DEFAULT_DENY,
  KVM_REINJECT_CONTROL,
  KVM_SET_CLOCK,
  KVM_SET_IDENTITY_MAP_ADDR,
  KVM_SET_IRQCHIP,
  KVM_SET_PIT2,
  KVM_SET_PMU_EVENT_FILTER,
  KVM_SET_TSC_KHZ,
  KVM_SET_TSS_ADDR,
  KVM_X86_SET_MSR_FILTER,
  KvmClockData,
  KvmIrqchip,
  KvmMsrFilter,
  KvmPitConfig,
  KvmPitState2,
  KvmPmuEventFilter,
  KvmReinjectControl,
} from "./bindings/x86.ts";
import type { InputOf } from "./struct.ts";
import { Vcpu } from "./vcpu.ts";
import { mapKvmRun } from "./vcpu_fd.ts";
import { XSAVE_MIN_SIZE } from "./vcpu_registers.ts";
import { VmFd, type VmSpec } from "./vm_fd.ts";

/** A range of an MSR filter. */
export interface MsrFilterRange {
  /** KVM_MSR_FILTER_READ, KVM_MSR_FILTER_WRITE or both. */
  readonly flags: number;
  /** The first MSR. */
  readonly base: number;
  /** How many MSRs. */
  readonly count: number;
  /** One bit for each, the lowest of the first byte for the first; a set bit allows. */
  readonly bitmap: Uint8Array;
}

/** A virtual machine on x86-64. */
export class Vm extends VmFd {
  readonly #vcpuMmapSize: number;

  /**
   * The virtual machine behind a descriptor.
   *
   * @param fd the descriptor, to own it; or the number of one that another isolate owns
   * @param vcpuMmapSize what KVM_GET_VCPU_MMAP_SIZE said
   */
  constructor(fd: Fd | number, vcpuMmapSize: number) {
    super(fd, vcpuMmapSize);
    this.#vcpuMmapSize = vcpuMmapSize;
  }

  /** The virtual machine of another isolate, which owns it. */
  static attach({ fd, vcpuMmapSize }: VmSpec): Vm {
    return new Vm(fd, vcpuMmapSize);
  }

  /**
   * [KVM_CREATE_VCPU](https://docs.kernel.org/virt/kvm/api.html#kvm-create-vcpu): makes a processor, whose APIC
   * id is `id`, and maps the memory that it shares.
   *
   * @throws {SysError} EEXIST where there's one with that id; EINVAL for an id that is too high
   */
  createVcpu(id: number): Vcpu {
    const fd = this.createVcpuFd(id);
    try {
      const xsaveSize = Math.max(XSAVE_MIN_SIZE, this.checkExtension(KVM_CAP.XSAVE2));
      return Vcpu.own(id, fd, mapKvmRun(fd, this.#vcpuMmapSize), xsaveSize);
    } catch (error) {
      fd.close();
      throw error;
    }
  }

  /**
   * [KVM_SET_TSS_ADDR](https://docs.kernel.org/virt/kvm/api.html#kvm-set-tss-addr): three pages below 4 GiB,
   * outside RAM, that old Intel processors need for real mode.
   */
  setTssAddr(address: number): void {
    this.callValue("KVM_SET_TSS_ADDR", KVM_SET_TSS_ADDR, address);
  }

  /**
   * [KVM_SET_IDENTITY_MAP_ADDR](https://docs.kernel.org/virt/kvm/api.html#kvm-set-identity-map-addr): one page
   * for the same purpose, before the first vCPU.
   */
  setIdentityMapAddr(address: number): void {
    const argument = new BigUint64Array([BigInt(address)]);
    this.call("KVM_SET_IDENTITY_MAP_ADDR", KVM_SET_IDENTITY_MAP_ADDR, argument);
  }

  /**
   * [KVM_GET_IRQCHIP](https://docs.kernel.org/virt/kvm/api.html#kvm-get-irqchip): the state of an interrupt
   * controller.
   *
   * @param chip one of {@linkcode KVM_IRQCHIP}: its alternative of `chip` is the one that counts
   */
  getIrqchip(chip: number): KvmIrqchip {
    const bytes = KvmIrqchip.encode({ chip_id: chip });
    this.call("KVM_GET_IRQCHIP", KVM_GET_IRQCHIP, bytes);
    return KvmIrqchip.decode(bytes);
  }

  /** [KVM_SET_IRQCHIP](https://docs.kernel.org/virt/kvm/api.html#kvm-set-irqchip): sets it. */
  setIrqchip(state: InputOf<typeof KvmIrqchip>): void {
    this.set("KVM_SET_IRQCHIP", KVM_SET_IRQCHIP, KvmIrqchip, state);
  }

  /**
   * [KVM_CREATE_PIT2](https://docs.kernel.org/virt/kvm/api.html#kvm-create-pit2): makes an 8254, after
   * {@link createIrqchip}.
   *
   * @param flags KVM_PIT_SPEAKER_DUMMY or 0
   */
  createPit2(flags = 0): void {
    this.set("KVM_CREATE_PIT2", KVM_CREATE_PIT2, KvmPitConfig, { flags });
  }

  /** [KVM_GET_PIT2](https://docs.kernel.org/virt/kvm/api.html#kvm-get-pit2): the 8254's state. */
  getPit2(): KvmPitState2 {
    return this.get("KVM_GET_PIT2", KVM_GET_PIT2, KvmPitState2);
  }

  /** [KVM_SET_PIT2](https://docs.kernel.org/virt/kvm/api.html#kvm-set-pit2): sets it. */
  setPit2(state: InputOf<typeof KvmPitState2>): void {
    this.set("KVM_SET_PIT2", KVM_SET_PIT2, KvmPitState2, state);
  }

  /**
   * [KVM_REINJECT_CONTROL](https://docs.kernel.org/virt/kvm/api.html#kvm-reinject-control): whether ticks of the
   * 8254 that the guest missed are made up for.
   */
  reinjectControl(reinject: boolean): void {
    const value = { pit_reinject: reinject ? 1 : 0 };
    this.set("KVM_REINJECT_CONTROL", KVM_REINJECT_CONTROL, KvmReinjectControl, value);
  }

  /** [KVM_GET_CLOCK](https://docs.kernel.org/virt/kvm/api.html#kvm-get-clock): the guest's kvmclock. */
  getClock(): KvmClockData {
    return this.get("KVM_GET_CLOCK", KVM_GET_CLOCK, KvmClockData);
  }

  /**
   * [KVM_SET_CLOCK](https://docs.kernel.org/virt/kvm/api.html#kvm-set-clock): sets it. Of the flags only
   * KVM_CLOCK_REALTIME is taken: then the clock also goes forward by the time since `realtime`.
   */
  setClock(clock: InputOf<typeof KvmClockData>): void {
    this.set("KVM_SET_CLOCK", KVM_SET_CLOCK, KvmClockData, clock);
  }

  /**
   * [KVM_GET_TSC_KHZ](https://docs.kernel.org/virt/kvm/api.html#kvm-get-tsc-khz): the frequency that new vCPUs
   * get. Needs KVM_CAP_VM_TSC_CONTROL.
   */
  getTscKhz(): number {
    return this.callValue("KVM_GET_TSC_KHZ", KVM_GET_TSC_KHZ);
  }

  /** [KVM_SET_TSC_KHZ](https://docs.kernel.org/virt/kvm/api.html#kvm-set-tsc-khz): sets it. */
  setTscKhz(khz: number): void {
    this.callValue("KVM_SET_TSC_KHZ", KVM_SET_TSC_KHZ, khz);
  }

  /**
   * [KVM_X86_SET_MSR_FILTER](https://docs.kernel.org/virt/kvm/api.html#kvm-x86-set-msr-filter): which MSRs the
   * guest can use without its VMM. What is denied is a #GP, or an exit with KVM_CAP_X86_USER_SPACE_MSR.
   *
   * @param ranges at most 16; no ranges and no `denyOthers` end the filter
   * @param denyOthers whether MSRs outside all ranges are denied
   */
  x86SetMsrFilter(ranges: readonly MsrFilterRange[], denyOthers = false): void {
    const lengths = ranges.map(({ base, count, bitmap }) => {
      const length = Math.ceil(count / 8);
      if (bitmap.length >= length) return length;
      const first = `0x${base.toString(16)}`;
      throw new RangeError(
        `the bitmap of ${count} MSRs from ${first} on has ${bitmap.length} bytes`,
      );
    });
    const room = this.scratch(lengths.reduce((sum, length) => sum + length, 0));
    let at = 0;
    const filled = ranges.map(({ flags, base, count, bitmap }, i) => {
      room.bytes().set(bitmap.subarray(0, lengths[i]), at);
      const range = { flags, base, nmsrs: count, bitmap: room.address + BigInt(at) };
      at += lengths[i];
      return range;
    });
    this.set("KVM_X86_SET_MSR_FILTER", KVM_X86_SET_MSR_FILTER, KvmMsrFilter, {
      flags: denyOthers ? KVM_MSR_FILTER_DEFAULT_DENY : 0,
      ranges: filled,
    });
  }

  /**
   * [KVM_SET_PMU_EVENT_FILTER](https://docs.kernel.org/virt/kvm/api.html#kvm-set-pmu-event-filter): which
   * performance events the guest can count.
   */
  setPmuEventFilter(filter: Parameters<typeof KvmPmuEventFilter.encode>[0]): void {
    const bytes = KvmPmuEventFilter.encode(filter);
    this.call("KVM_SET_PMU_EVENT_FILTER", KVM_SET_PMU_EVENT_FILTER, bytes);
  }
}
