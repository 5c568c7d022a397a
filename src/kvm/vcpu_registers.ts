/**
 * A virtual processor on x86-64: its registers.
 *
 * "Sets it" takes what the getter gave, or any part of it; what is left out becomes zero, as in a C struct.
 * @module
 */
import type { Fd, SharedMapping } from "../ffi/mod.ts";
import {
  KVM_GET_CPUID2,
  KVM_GET_FPU,
  KVM_GET_LAPIC,
  KVM_GET_MSRS,
  KVM_GET_REGS,
  KVM_GET_SREGS,
  KVM_GET_SREGS2,
  KVM_GET_XCRS,
  KVM_GET_XSAVE,
  KVM_GET_XSAVE2,
  KVM_SET_CPUID2,
  KVM_SET_FPU,
  KVM_SET_LAPIC,
  KVM_SET_MSRS,
  KVM_SET_REGS,
  KVM_SET_SREGS,
  KVM_SET_SREGS2,
  KVM_SET_XCRS,
  KVM_SET_XSAVE,
  KvmCpuid2,
  type KvmCpuidEntry2,
  KvmFpu,
  KvmLapicState,
  KvmRegs,
  KvmSregs,
  KvmSregs2,
  type KvmXcr,
  KvmXcrs,
} from "./bindings/x86.ts";
import type { KvmRunSpec } from "./kvm_run.ts";
import { getMsrs, queryCpuid, setMsrs } from "./queries.ts";
import type { InputOf } from "./struct.ts";
import { SyncRegs } from "./sync_regs.ts";
import { VcpuFd, type VcpuSpec } from "./vcpu_fd.ts";

/** The bytes of an XSAVE area without the features that a process must ask the kernel for. */
export const XSAVE_MIN_SIZE = 4096;

/** What is posted to a Worker so that it can attach to a vCPU of x86-64. */
export interface X86VcpuSpec extends VcpuSpec {
  /** The bytes of its XSAVE area. */
  readonly xsaveSize: number;
}

/** A vCPU's registers; the rest of its state is {@linkcode Vcpu}'s. */
export class VcpuRegisters extends VcpuFd {
  /** The bytes of its XSAVE area: what KVM_CHECK_EXTENSION(KVM_CAP_XSAVE2) said when it was made. */
  readonly xsaveSize: number;
  /** The registers in {@link kvmRun}, with KVM_CAP_SYNC_REGS. */
  readonly syncRegs: SyncRegs;

  /** The vCPU behind a descriptor and its shared memory. */
  protected constructor(
    id: number,
    fd: Fd | number,
    run: SharedMapping | KvmRunSpec,
    xsaveSize: number,
  ) {
    super(id, fd, run);
    this.xsaveSize = xsaveSize;
    this.syncRegs = new SyncRegs(this.kvmRun);
  }

  /** [KVM_GET_REGS](https://docs.kernel.org/virt/kvm/api.html#kvm-get-regs): the general registers. */
  getRegs(): KvmRegs {
    return this.get("KVM_GET_REGS", KVM_GET_REGS, KvmRegs);
  }

  /** [KVM_SET_REGS](https://docs.kernel.org/virt/kvm/api.html#kvm-set-regs): sets them. */
  setRegs(regs: InputOf<typeof KvmRegs>): void {
    this.set("KVM_SET_REGS", KVM_SET_REGS, KvmRegs, regs);
  }

  /**
   * [KVM_GET_SREGS](https://docs.kernel.org/virt/kvm/api.html#kvm-get-sregs): segment and control registers.
   */
  getSregs(): KvmSregs {
    return this.get("KVM_GET_SREGS", KVM_GET_SREGS, KvmSregs);
  }

  /** [KVM_SET_SREGS](https://docs.kernel.org/virt/kvm/api.html#kvm-set-sregs): sets them. */
  setSregs(sregs: InputOf<typeof KvmSregs>): void {
    this.set("KVM_SET_SREGS", KVM_SET_SREGS, KvmSregs, sregs);
  }

  /**
   * [KVM_GET_SREGS2](https://docs.kernel.org/virt/kvm/api.html#kvm-get-sregs2): the same, with the PDPTRs. Needs
   * KVM_CAP_SREGS2.
   */
  getSregs2(): KvmSregs2 {
    return this.get("KVM_GET_SREGS2", KVM_GET_SREGS2, KvmSregs2);
  }

  /** [KVM_SET_SREGS2](https://docs.kernel.org/virt/kvm/api.html#kvm-set-sregs2): sets them. */
  setSregs2(sregs: InputOf<typeof KvmSregs2>): void {
    this.set("KVM_SET_SREGS2", KVM_SET_SREGS2, KvmSregs2, sregs);
  }

  /**
   * [KVM_GET_FPU](https://docs.kernel.org/virt/kvm/api.html#kvm-get-fpu): the x87 and SSE state. KVM neither
   * gives nor takes its mxcsr: that one is in the XSAVE area alone.
   */
  getFpu(): KvmFpu {
    return this.get("KVM_GET_FPU", KVM_GET_FPU, KvmFpu);
  }

  /** [KVM_SET_FPU](https://docs.kernel.org/virt/kvm/api.html#kvm-set-fpu): sets it. */
  setFpu(fpu: InputOf<typeof KvmFpu>): void {
    this.set("KVM_SET_FPU", KVM_SET_FPU, KvmFpu, fpu);
  }

  /**
   * [KVM_GET_XSAVE](https://docs.kernel.org/virt/kvm/api.html#kvm-get-xsave): the XSAVE area, 4096 bytes in the
   * layout of the host's CPUID leaf 0xd.
   *
   * @throws {SysError} EINVAL where it has more: see {@link getXsave2}
   */
  getXsave(): Uint8Array<ArrayBuffer> {
    const area = new Uint8Array(XSAVE_MIN_SIZE);
    this.call("KVM_GET_XSAVE", KVM_GET_XSAVE, area);
    return area;
  }

  /**
   * [KVM_GET_XSAVE2](https://docs.kernel.org/virt/kvm/api.html#kvm-get-xsave2): the whole XSAVE area,
   * {@link xsaveSize} bytes. Needs KVM_CAP_XSAVE2.
   */
  getXsave2(): Uint8Array<ArrayBuffer> {
    const area = new Uint8Array(this.xsaveSize);
    this.call("KVM_GET_XSAVE2", KVM_GET_XSAVE2, area);
    return area;
  }

  /**
   * [KVM_SET_XSAVE](https://docs.kernel.org/virt/kvm/api.html#kvm-set-xsave): sets what either getter gave.
   *
   * @throws {RangeError} an area larger than {@link xsaveSize}
   */
  setXsave(area: Uint8Array): void {
    if (area.length > this.xsaveSize) {
      const sizes = `${area.length} bytes, not ${this.xsaveSize}`;
      throw new RangeError(`${this.what}: the XSAVE area has ${sizes}`);
    }
    // KVM reads xsaveSize bytes whatever it is given.
    const whole = new Uint8Array(this.xsaveSize);
    whole.set(area);
    this.call("KVM_SET_XSAVE", KVM_SET_XSAVE, whole);
  }

  /**
   * [KVM_GET_XCRS](https://docs.kernel.org/virt/kvm/api.html#kvm-get-xcrs): the extended control registers.
   */
  getXcrs(): KvmXcr[] {
    const { nr_xcrs, xcrs } = this.get("KVM_GET_XCRS", KVM_GET_XCRS, KvmXcrs);
    return xcrs.slice(0, nr_xcrs);
  }

  /** [KVM_SET_XCRS](https://docs.kernel.org/virt/kvm/api.html#kvm-set-xcrs): sets them. */
  setXcrs(xcrs: readonly InputOf<typeof KvmXcr>[]): void {
    this.set("KVM_SET_XCRS", KVM_SET_XCRS, KvmXcrs, { nr_xcrs: xcrs.length, xcrs });
  }

  /**
   * [KVM_GET_LAPIC](https://docs.kernel.org/virt/kvm/api.html#kvm-get-lapic): the local APIC's registers, 1024
   * bytes, where register 0xNN0 is at byte 0xNN0.
   */
  getLapic(): Uint8Array<ArrayBuffer> {
    return this.get("KVM_GET_LAPIC", KVM_GET_LAPIC, KvmLapicState).regs;
  }

  /** [KVM_SET_LAPIC](https://docs.kernel.org/virt/kvm/api.html#kvm-set-lapic): sets them. */
  setLapic(regs: Uint8Array): void {
    this.set("KVM_SET_LAPIC", KVM_SET_LAPIC, KvmLapicState, { regs });
  }

  /**
   * [KVM_GET_MSRS](https://docs.kernel.org/virt/kvm/api.html#kvm-get-msrs): model-specific registers, in the
   * order of `indices`.
   *
   * @throws {MsrError} that names the first that can't be read
   */
  getMsrs(indices: readonly number[]): bigint[] {
    return getMsrs((bytes) => this.call("KVM_GET_MSRS", KVM_GET_MSRS, bytes), indices, this.what);
  }

  /**
   * [KVM_SET_MSRS](https://docs.kernel.org/virt/kvm/api.html#kvm-set-msrs): sets them, in the order given.
   *
   * @throws {MsrError} that names the first that can't be written; those before it are written
   */
  setMsrs(entries: readonly { readonly index: number; readonly data: bigint }[]): void {
    setMsrs((bytes) => this.call("KVM_SET_MSRS", KVM_SET_MSRS, bytes), entries, this.what);
  }

  /**
   * [KVM_GET_CPUID2](https://docs.kernel.org/virt/kvm/api.html#kvm-get-cpuid2): what CPUID was set to answer.
   */
  getCpuid2(): KvmCpuidEntry2[] {
    return queryCpuid((bytes) => this.call("KVM_GET_CPUID2", KVM_GET_CPUID2, bytes));
  }

  /**
   * [KVM_SET_CPUID2](https://docs.kernel.org/virt/kvm/api.html#kvm-set-cpuid): what CPUID answers, before the
   * first KVM_RUN.
   */
  setCpuid2(entries: readonly InputOf<typeof KvmCpuid2.entry>[]): void {
    this.call("KVM_SET_CPUID2", KVM_SET_CPUID2, KvmCpuid2.encode({ entries }));
  }
}
