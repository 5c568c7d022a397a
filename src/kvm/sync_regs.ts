/**
 * x86: the registers that KVM leaves in struct kvm_run, so that reading them costs no call.
 *
 * After {@linkcode SyncRegs.request}, every return of KVM_RUN has stored the registers asked for. What is
 * set here is loaded at the next KVM_RUN. Needs KVM_CAP_SYNC_REGS, whose value is the set that the host knows.
 *
 * See [KVM_CAP_SYNC_REGS](https://docs.kernel.org/virt/kvm/api.html#kvm-cap-sync-regs).
 * @module
 */
import {
  KVM_SYNC_X86_EVENTS,
  KVM_SYNC_X86_REGS,
  KVM_SYNC_X86_SREGS,
  KvmRegs,
  KvmRun,
  KvmSregs,
  KvmSyncRegs,
  KvmVcpuEvents,
} from "./bindings/x86.ts";
import type { KvmRunPage } from "./kvm_run.ts";
import type { InputOf } from "./struct.ts";

const REGS = KvmRun.offsets.s + KvmSyncRegs.offsets.regs;
const SREGS = KvmRun.offsets.s + KvmSyncRegs.offsets.sregs;
const EVENTS = KvmRun.offsets.s + KvmSyncRegs.offsets.events;
const RIP = REGS + KvmRegs.offsets.rip;

/** The registers in a vCPU's shared memory. */
export class SyncRegs {
  readonly #page: KvmRunPage;
  readonly #view: DataView<SharedArrayBuffer>;

  /** The registers in `page`. */
  constructor(page: KvmRunPage) {
    this.#page = page;
    const { buffer, byteOffset, byteLength } = page.bytes;
    this.#view = new DataView(buffer, byteOffset, byteLength);
  }

  /** What KVM stores whenever KVM_RUN returns. @param registers a set of KVM_SYNC_X86_*; 0 ends it */
  request(registers: number): void {
    this.#page.validRegs = registers;
  }

  /** The general registers, as of the last return of KVM_RUN. */
  getRegs(): KvmRegs {
    return KvmRegs.decode(this.#page.bytes, REGS);
  }

  /** Sets them for the next KVM_RUN. */
  setRegs(regs: InputOf<typeof KvmRegs>): void {
    KvmRegs.encodeInto(this.#page.bytes, regs, REGS);
    this.#page.dirtyRegs |= KVM_SYNC_X86_REGS;
  }

  /** Segment and control registers, as of the last return of KVM_RUN. */
  getSregs(): KvmSregs {
    return KvmSregs.decode(this.#page.bytes, SREGS);
  }

  /** Sets them for the next KVM_RUN. */
  setSregs(sregs: InputOf<typeof KvmSregs>): void {
    KvmSregs.encodeInto(this.#page.bytes, sregs, SREGS);
    this.#page.dirtyRegs |= KVM_SYNC_X86_SREGS;
  }

  /** Events on their way, as of the last return of KVM_RUN. */
  getVcpuEvents(): KvmVcpuEvents {
    return KvmVcpuEvents.decode(this.#page.bytes, EVENTS);
  }

  /** Sets them for the next KVM_RUN. */
  setVcpuEvents(events: InputOf<typeof KvmVcpuEvents>): void {
    KvmVcpuEvents.encodeInto(this.#page.bytes, events, EVENTS);
    this.#page.dirtyRegs |= KVM_SYNC_X86_EVENTS;
  }

  /** The instruction pointer alone, as of the last return of KVM_RUN. */
  get rip(): bigint {
    return this.#view.getBigUint64(RIP, true);
  }
}
