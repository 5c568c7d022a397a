/**
 * A virtual processor, as far as all architectures have it.
 *
 * A vCPU is made and set up in one isolate and run in another. What crosses is {@linkcode VcpuSpec}: the
 * descriptor's number and the memory that KVM shares. The isolate that made the vCPU owns both and disposes
 * of them when nobody runs it any more. KVM serves one call at a time for a vCPU: while it runs, calls from
 * other isolates wait.
 * @module
 */
import { E2BIG, EAGAIN, EINTR, errno, SysError } from "../ffi/errno.ts";
import type { Fd } from "../ffi/fd.ts";
import { ioctlRaw } from "../ffi/ioctl.ts";
import { SharedMapping } from "../ffi/mapping.ts";

import {
  KVM_GET_MP_STATE,
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_GET_STATS_FD,
  KVM_REG_SIZE_MASK,
  KVM_REG_SIZE_SHIFT,
  KVM_RUN,
  KVM_SET_MP_STATE,
  KVM_SET_ONE_REG,
  KVM_SET_SIGNAL_MASK,
  KvmMpState,
  KvmOneReg,
  KvmRegList,
  KvmSignalMask,
} from "./bindings/mod.ts";
import { KvmDescriptor } from "./descriptor.ts";
import { KvmRunPage, type KvmRunSpec } from "./kvm_run.ts";

/** What is posted to a Worker so that it can attach to a vCPU. */
export interface VcpuSpec {
  /** The vCPU's id in its virtual machine. */
  readonly id: number;
  /** The descriptor's number. */
  readonly fd: number;
  /** The memory that KVM shares. */
  readonly run: KvmRunSpec;
}

/** The memory of a vCPU's descriptor. @throws {SysError} */
export function mapKvmRun(fd: Fd, size: number): SharedMapping {
  return new SharedMapping({ fd: fd.raw, size, what: `${fd.what}: struct kvm_run` });
}

/** A vCPU's descriptor and its shared memory. */
export class VcpuFd extends KvmDescriptor {
  /** Its id in its virtual machine: on x86, its APIC id. */
  readonly id: number;
  /** Why it left the guest, and what KVM is to do next. */
  readonly kvmRun: KvmRunPage;
  readonly #run: KvmRunSpec;
  readonly #mapping: SharedMapping | undefined;
  // KVM_RUN's own copy of the descriptor's number: a private field of this very class, without a getter.
  #runFd: number;

  /**
   * The vCPU behind a descriptor.
   *
   * @param id its id
   * @param fd the descriptor, to own it together with `run`; or the number of one that another isolate owns
   * @param run the memory that KVM shares
   */
  protected constructor(id: number, fd: Fd | number, run: SharedMapping | KvmRunSpec) {
    super(fd, `vCPU ${id}`);
    this.id = id;
    const { buffer, byteOffset, byteLength } = run;
    this.#run = { buffer, byteOffset, byteLength };
    this.#mapping = run instanceof SharedMapping ? run : undefined;
    this.kvmRun = new KvmRunPage(this.#run);
    this.#runFd = this.fd;
  }

  /** What another isolate needs in order to attach. */
  get spec(): VcpuSpec {
    return { id: this.id, fd: this.fd, run: this.#run };
  }

  /** Closes the descriptor and unmaps its memory where this object owns them. The vCPU must not be running. */
  override [Symbol.dispose](): void {
    this.#runFd = -1;
    this.#mapping?.release();
    super[Symbol.dispose]();
  }

  /**
   * [KVM_RUN](https://docs.kernel.org/virt/kvm/api.html#kvm-run): runs the guest until it needs its VMM, or
   * until it is interrupted. Nothing is allocated.
   *
   * @returns 0 when {@link kvmRun} tells what the guest needs; -EINTR when a signal or `immediate_exit` ended
   * it; -EAGAIN when the processor was not runnable, such as one that waits for its SIPI
   * @throws {SysError} for anything else, such as EFAULT where guest memory is not there
   */
  run(): number {
    if (ioctlRaw(this.#runFd, KVM_RUN) >= 0) return 0;
    const code = errno();
    if (code === EINTR || code === EAGAIN) return -code;
    throw new SysError("ioctl(KVM_RUN)", code, this.what);
  }

  /**
   * [KVM_GET_MP_STATE](https://docs.kernel.org/virt/kvm/api.html#kvm-get-mp-state): what the processor waits
   * for, one of {@linkcode KVM_MP_STATE}.
   */
  getMpState(): number {
    return this.get("KVM_GET_MP_STATE", KVM_GET_MP_STATE, KvmMpState).mp_state;
  }

  /** [KVM_SET_MP_STATE](https://docs.kernel.org/virt/kvm/api.html#kvm-set-mp-state): sets that. */
  setMpState(state: number): void {
    this.set("KVM_SET_MP_STATE", KVM_SET_MP_STATE, KvmMpState, { mp_state: state });
  }

  /**
   * [KVM_SET_SIGNAL_MASK](https://docs.kernel.org/virt/kvm/api.html#kvm-set-signal-mask): the signals that
   * are blocked during KVM_RUN in place of the thread's own mask.
   *
   * @param signals the signals by number; undefined goes back to the thread's mask
   */
  setSignalMask(signals: readonly number[] | undefined): void {
    if (signals === undefined) {
      this.callValue("KVM_SET_SIGNAL_MASK", KVM_SET_SIGNAL_MASK, 0);
      return;
    }
    const sigset = new Array<number>(8).fill(0);
    for (const signal of signals) {
      if (!Number.isInteger(signal) || signal < 1 || signal > 64) {
        throw new RangeError(`${this.what}: there is no signal ${signal}`);
      }
      sigset[(signal - 1) >> 3] |= 1 << ((signal - 1) & 7);
    }
    const bytes = KvmSignalMask.encode({ sigset });
    this.call("KVM_SET_SIGNAL_MASK", KVM_SET_SIGNAL_MASK, bytes);
  }

  /**
   * [KVM_GET_ONE_REG](https://docs.kernel.org/virt/kvm/api.html#kvm-get-one-reg): a register's bytes, as many
   * as its id says.
   *
   * @throws {SysError} ENOENT where there's no such register
   */
  getOneReg(id: bigint): Uint8Array<ArrayBuffer> {
    const size = oneRegSize(id);
    const room = this.scratch(size);
    const value = { id, addr: room.address };
    this.set("KVM_GET_ONE_REG", KVM_GET_ONE_REG, KvmOneReg, value);
    return new Uint8Array(room.bytes().subarray(0, size));
  }

  /**
   * [KVM_SET_ONE_REG](https://docs.kernel.org/virt/kvm/api.html#kvm-set-one-reg): sets a register.
   *
   * @param bytes exactly as many as its id says
   * @throws {SysError} ENOENT where there's no such register; EINVAL for a value it can't have
   */
  setOneReg(id: bigint, bytes: Uint8Array): void {
    const size = oneRegSize(id);
    if (bytes.length !== size) {
      const name = `register 0x${id.toString(16)}`;
      throw new RangeError(`${this.what}: ${name} has ${size} bytes, not ${bytes.length}`);
    }
    const room = this.scratch(size);
    room.bytes().set(bytes);
    this.set("KVM_SET_ONE_REG", KVM_SET_ONE_REG, KvmOneReg, { id, addr: room.address });
  }

  /**
   * [KVM_GET_REG_LIST](https://docs.kernel.org/virt/kvm/api.html#kvm-get-reg-list): the ids of all registers
   * that {@link getOneReg} gives.
   *
   * @throws {SysError} EINVAL where the host has no such list
   */
  getRegList(): bigint[] {
    let bytes = KvmRegList.allocate(0);
    for (;;) {
      try {
        this.call("KVM_GET_REG_LIST", KVM_GET_REG_LIST, bytes);
        return KvmRegList.decode(bytes).reg;
      } catch (error) {
        const needed = KvmRegList.countOf(bytes);
        const grew = KvmRegList.bytesFor(needed) > bytes.length;
        if (!(error instanceof SysError) || error.errno !== E2BIG || !grew) throw error;
        bytes = KvmRegList.allocate(needed);
      }
    }
  }

  /**
   * [KVM_GET_STATS_FD](https://docs.kernel.org/virt/kvm/api.html#kvm-get-stats-fd): a file with the vCPU's
   * statistics, which the caller closes.
   */
  getStatsFd(): Fd {
    return this.callFd("KVM_GET_STATS_FD", KVM_GET_STATS_FD, 0, `${this.what}: statistics`);
  }
}

/** How many bytes the register of an id has. */
function oneRegSize(id: bigint): number {
  return 2 ** Number((id & KVM_REG_SIZE_MASK) >> BigInt(KVM_REG_SIZE_SHIFT));
}
