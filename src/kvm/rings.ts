/**
 * Rings that KVM fills while a vCPU runs: writes that can wait, and pages that were written.
 *
 * Both are single-producer, single-consumer. KVM fills them while KVM_RUN is under way, so they are emptied by
 * the vCPU's own isolate between two entries; the dirty ring also by another one, with acquire and release.
 * @module
 */
import { PAGE_SIZE, SharedMapping } from "../ffi/mapping.ts";
import {
  KVM_DIRTY_GFN_F_DIRTY,
  KVM_DIRTY_GFN_F_RESET,
  KvmCoalescedMmio,
  KvmCoalescedMmioRing,
  KvmDirtyGfn,
} from "./bindings/mod.ts";
import type { VcpuFd } from "./vcpu_fd.ts";

const FIRST = KvmCoalescedMmioRing.offsets.first / 4;
const LAST = KvmCoalescedMmioRing.offsets.last / 4;
const ENTRY = KvmCoalescedMmio;
const TWO_32 = 2 ** 32;

/**
 * Writes that did not exit, as {@linkcode VmFd.registerCoalescedMmio} asked for. Nothing is allocated.
 *
 * ```ts ignore
 * for (; !ring.empty; ring.shift()) bus.write(ring.address, ring.length, ring.data);
 * ```
 */
export class CoalescedMmioRing {
  /** How many writes fit before one exits all the same. */
  readonly capacity: number;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #view: DataView<SharedArrayBuffer>;
  #at = 0;

  /**
   * @param vcpu whose shared memory has the ring
   * @param page what KVM_CHECK_EXTENSION(KVM_CAP_COALESCED_MMIO) said
   */
  constructor(vcpu: VcpuFd, page: number) {
    const { buffer, byteOffset } = vcpu.kvmRun.bytes;
    const start = byteOffset + page * PAGE_SIZE;
    this.#words = new Int32Array(buffer, start, PAGE_SIZE / 4);
    this.#view = new DataView(buffer, start, PAGE_SIZE);
    this.capacity = Math.floor((PAGE_SIZE - KvmCoalescedMmioRing.size) / ENTRY.size);
    this.#locate();
  }

  /** Whether no write waits. */
  get empty(): boolean {
    return Atomics.load(this.#words, FIRST) === Atomics.load(this.#words, LAST);
  }

  /** The first write's port or guest physical address. */
  get address(): number {
    const at = this.#at + ENTRY.offsets.phys_addr;
    return this.#view.getUint32(at, true) + this.#view.getUint32(at + 4, true) * TWO_32;
  }

  /** The first write's width in bytes. */
  get length(): number {
    return this.#view.getUint32(this.#at + ENTRY.offsets.len, true);
  }

  /** Whether the first write went to a port. */
  get pio(): boolean {
    return this.#view.getUint32(this.#at + ENTRY.offsets.pio, true) !== 0;
  }

  /** The low four bytes of the first write, unsigned; those behind its length mean nothing. */
  get data(): number {
    return this.#view.getUint32(this.#at + ENTRY.offsets.data, true);
  }

  /** The high four bytes of the first write, unsigned. */
  get dataHigh(): number {
    return this.#view.getUint32(this.#at + ENTRY.offsets.data + 4, true);
  }

  /** Takes the first write out, so that the next becomes the first. */
  shift(): void {
    const first = Atomics.load(this.#words, FIRST);
    Atomics.store(this.#words, FIRST, (first + 1) % this.capacity);
    this.#locate();
  }

  #locate(): void {
    const first = Atomics.load(this.#words, FIRST) % this.capacity;
    this.#at = KvmCoalescedMmioRing.size + first * ENTRY.size;
  }
}

const GFN_WORDS = KvmDirtyGfn.size / 4;
const GFN_FLAGS = KvmDirtyGfn.offsets.flags / 4;
const GFN_SLOT = KvmDirtyGfn.offsets.slot / 4;
const GFN_OFFSET = KvmDirtyGfn.offsets.offset / 4;

/**
 * The pages that a vCPU wrote ([KVM_CAP_DIRTY_LOG_RING](https://docs.kernel.org/virt/kvm/api.html#kvm-cap-dirty-log-ring-kvm-cap-dirty-log-ring-acq-rel)).
 *
 * Entries that were harvested stay in the ring until {@linkcode VmFd.resetDirtyRings} takes them back.
 */
export class DirtyRing implements Disposable {
  readonly #mapping: SharedMapping;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #entries: number;
  #next = 0;

  /**
   * @param vcpu whose pages
   * @param page the page of its descriptor where the ring begins: KVM_DIRTY_LOG_PAGE_OFFSET
   * @param size the bytes of the ring, as KVM_CAP_DIRTY_LOG_RING was enabled with
   * @throws {SysError} where the capability was not enabled before the vCPU was made
   */
  constructor(vcpu: VcpuFd, page: number, size: number) {
    const what = `${vcpu.what}: dirty ring`;
    const fileOffset = page * PAGE_SIZE;
    this.#mapping = new SharedMapping({ fd: vcpu.fd, size, fileOffset, what });
    const { buffer, byteOffset, byteLength } = this.#mapping;
    this.#words = new Int32Array(buffer, byteOffset, byteLength / 4);
    this.#entries = size / KvmDirtyGfn.size;
  }

  /**
   * Harvests the next page that was written.
   *
   * @param visit is given the slot (with its address space in the upper 16 bits) and the page's index in it
   * @returns false where there's none
   */
  harvest(visit: (slot: number, page: number) => void): boolean {
    const at = (this.#next % this.#entries) * GFN_WORDS;
    // Acquire: the entry's other fields were stored before its flag.
    if (Atomics.load(this.#words, at + GFN_FLAGS) !== KVM_DIRTY_GFN_F_DIRTY) return false;
    const low = this.#words[at + GFN_OFFSET] >>> 0;
    const high = this.#words[at + GFN_OFFSET + 1] >>> 0;
    visit(this.#words[at + GFN_SLOT] >>> 0, low + high * TWO_32);
    // Release: KVM may reuse the entry as soon as it sees this.
    Atomics.store(this.#words, at + GFN_FLAGS, KVM_DIRTY_GFN_F_RESET);
    this.#next++;
    return true;
  }

  /** Unmaps the ring. */
  [Symbol.dispose](): void {
    this.#mapping.release();
  }
}
