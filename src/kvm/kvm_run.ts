/**
 * The memory that a vCPU shares with KVM: why it left the guest, and what KVM is to do next.
 *
 * The page lies in a SharedArrayBuffer, so that another isolate can set `immediate_exit`. The accessors are
 * the run loop's: they read single fields of struct kvm_run as numbers and allocate nothing. Those of accesses to
 * devices all read the same array: after an exit the processor's caches are the kernel's, and each array costs two
 * lines of them. Which accessors mean something follows from {@linkcode KvmRunPage.exitReason}, as in C's union.
 *
 * | the guest controls                                | what bounds it                                       |
 * | ------------------------------------------------- | ---------------------------------------------------- |
 * | ports, addresses, sizes, counts and data of exits | KVM writes them; sizes are 1 to 8 and fit their room |
 * | nothing else: the page is not in its memory       |                                                      |
 *
 * See [struct kvm_run](https://docs.kernel.org/virt/kvm/api.html#the-kvm-run-structure).
 * @module
 */
import { kvmRunLayout } from "./bindings/mod.ts";
import { struct } from "./struct.ts";

/** The part of struct kvm_run that is alike everywhere; what architectures put into it does not move it. */
const layout = kvmRunLayout(struct("kvm_debug_exit_arch", {}), struct("kvm_sync_regs", {}));
const at = layout.offsets;
const exits = layout.fields.exit.alternatives;

const REQUEST_INTERRUPT_WINDOW = at.request_interrupt_window;
const IMMEDIATE_EXIT = at.immediate_exit;
const EXIT_REASON = at.exit_reason / 4;
const READY_FOR_INTERRUPT_INJECTION = at.ready_for_interrupt_injection;
const IF_FLAG = at.if_flag;
const FLAGS = at.flags / 2;
const CR8 = at.cr8 / 4;
const APIC_BASE = at.apic_base / 4;
const VALID_REGS = at.kvm_valid_regs / 4;
const DIRTY_REGS = at.kvm_dirty_regs / 4;

// Direction, size and port share a word, from its low byte on, as aarch64 and x86 have it.
const IO_ACCESS = (at.exit + exits.io.offsets.direction) / 4;
const IO_SIZE_SHIFT = 8 * (exits.io.offsets.size - exits.io.offsets.direction);
const IO_PORT_SHIFT = 8 * (exits.io.offsets.port - exits.io.offsets.direction);
const IO_COUNT = (at.exit + exits.io.offsets.count) / 4;
const IO_DATA_OFFSET = (at.exit + exits.io.offsets.data_offset) / 4;

const MMIO_ADDRESS = (at.exit + exits.mmio.offsets.phys_addr) / 4;
const MMIO_DATA = (at.exit + exits.mmio.offsets.data) / 4;
const MMIO_LENGTH = (at.exit + exits.mmio.offsets.len) / 4;
const MMIO_IS_WRITE = (at.exit + exits.mmio.offsets.is_write) / 4;

const SYSTEM_EVENT_TYPE = (at.exit + exits.system_event.offsets.type) / 4;
const EOI_VECTOR = at.exit + exits.eoi.offsets.vector;
const MSR_ERROR = at.exit + exits.msr.offsets.error;
const MSR_REASON = (at.exit + exits.msr.offsets.reason) / 4;
const MSR_INDEX = (at.exit + exits.msr.offsets.index) / 4;
const MSR_DATA = at.exit + exits.msr.offsets.data;

const TWO_32 = 2 ** 32;

/** Where a vCPU's shared memory is; it can be posted to Workers. */
export interface KvmRunSpec {
  /** The buffer that holds it. */
  readonly buffer: SharedArrayBuffer;
  /** Where struct kvm_run begins in the buffer: on a page. */
  readonly byteOffset: number;
  /** What KVM_GET_VCPU_MMAP_SIZE said. */
  readonly byteLength: number;
}

/** A vCPU's struct kvm_run and the pages behind it. */
export class KvmRunPage {
  /** All of the memory. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly #halves: Uint16Array<SharedArrayBuffer>;
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #view: DataView<SharedArrayBuffer>;

  /** The accessors of a vCPU's shared memory. */
  constructor({ buffer, byteOffset, byteLength }: KvmRunSpec) {
    this.bytes = new Uint8Array(buffer, byteOffset, byteLength);
    this.#halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
    this.#words = new Uint32Array(buffer, byteOffset, byteLength / 4);
    this.#view = new DataView(buffer, byteOffset, byteLength);
  }

  /** Why KVM_RUN came back: one of {@linkcode KVM_EXIT}. */
  get exitReason(): number {
    return this.#words[EXIT_REASON];
  }

  /** Whether the next KVM_RUN, or the one under way if a signal comes, returns at once (EINTR). */
  get immediateExit(): boolean {
    return Atomics.load(this.bytes, IMMEDIATE_EXIT) !== 0;
  }

  /** Any isolate may set it; the vCPU's own clears it. Ordered with the other atomics of either side. */
  set immediateExit(value: boolean) {
    Atomics.store(this.bytes, IMMEDIATE_EXIT, value ? 1 : 0);
  }

  /** Whether KVM_RUN is to return (KVM_EXIT_IRQ_WINDOW_OPEN) once the guest can take an interrupt. */
  set requestInterruptWindow(value: boolean) {
    this.bytes[REQUEST_INTERRUPT_WINDOW] = value ? 1 : 0;
  }

  /** Whether KVM_INTERRUPT can be used now. */
  get readyForInterruptInjection(): boolean {
    return this.bytes[READY_FOR_INTERRUPT_INJECTION] !== 0;
  }

  /** The guest's interrupt flag, where KVM emulates no interrupt controller. */
  get ifFlag(): boolean {
    return this.bytes[IF_FLAG] !== 0;
  }

  /** KVM_RUN_X86_* on x86. */
  get flags(): number {
    return this.#halves[FLAGS];
  }

  /** The task priority (CR8), where KVM emulates no local APIC. */
  get cr8(): number {
    return this.#words[CR8];
  }

  /** The APIC base MSR, where KVM emulates no local APIC. */
  get apicBase(): number {
    return this.#words[APIC_BASE] + this.#words[APIC_BASE + 1] * TWO_32;
  }

  // KVM_EXIT_IO

  /** KVM_EXIT_IO_IN (the guest reads) or KVM_EXIT_IO_OUT. */
  get ioDirection(): number {
    return this.#words[IO_ACCESS] & 0xff;
  }

  /** The width of one access: 1, 2 or 4 bytes. */
  get ioSize(): number {
    return (this.#words[IO_ACCESS] >>> IO_SIZE_SHIFT) & 0xff;
  }

  /** The port. */
  get ioPort(): number {
    return this.#words[IO_ACCESS] >>> IO_PORT_SHIFT;
  }

  /** How many accesses there are to the same port: more than one with REP INS and REP OUTS. */
  get ioCount(): number {
    return this.#words[IO_COUNT];
  }

  /** Where the data is in {@link bytes}: ioSize × ioCount bytes. */
  get ioDataOffset(): number {
    return this.#words[IO_DATA_OFFSET];
  }

  /** What the guest wrote in access `index`, unsigned. */
  ioRead(index: number): number {
    const size = this.ioSize;
    const offset = this.#words[IO_DATA_OFFSET] + index * size;
    if (size === 1) return this.bytes[offset];
    return size === 2 ? this.#view.getUint16(offset, true) : this.#view.getUint32(offset, true);
  }

  /** What the guest reads in access `index`: the low bytes of `value`. */
  ioWrite(index: number, value: number): void {
    const size = this.ioSize;
    const offset = this.#words[IO_DATA_OFFSET] + index * size;
    if (size === 1) this.bytes[offset] = value;
    else if (size === 2) this.#view.setUint16(offset, value, true);
    else this.#view.setUint32(offset, value, true);
  }

  // KVM_EXIT_MMIO

  /** The guest physical address; it is exact, as no physical address has more than 52 bits. */
  get mmioAddress(): number {
    return this.#words[MMIO_ADDRESS] + this.#words[MMIO_ADDRESS + 1] * TWO_32;
  }

  /** The width of the access: 1 to 8 bytes. */
  get mmioLength(): number {
    return this.#words[MMIO_LENGTH];
  }

  /** Where the data is in {@link bytes}: eight bytes, of which mmioLength mean something. */
  get mmioDataOffset(): number {
    return MMIO_DATA * 4;
  }

  /** Whether the guest writes. */
  get mmioIsWrite(): boolean {
    return (this.#words[MMIO_IS_WRITE] & 0xff) !== 0;
  }

  /** The low four bytes of the data, unsigned; those behind mmioLength mean nothing. */
  get mmioData(): number {
    return this.#words[MMIO_DATA];
  }

  set mmioData(value: number) {
    this.#words[MMIO_DATA] = value;
  }

  /** The high four bytes of the data, unsigned. */
  get mmioDataHigh(): number {
    return this.#words[MMIO_DATA + 1];
  }

  set mmioDataHigh(value: number) {
    this.#words[MMIO_DATA + 1] = value;
  }

  // Other exits

  /** KVM_EXIT_SYSTEM_EVENT: one of {@linkcode KVM_SYSTEM_EVENT}. */
  get systemEventType(): number {
    return this.#words[SYSTEM_EVENT_TYPE];
  }

  /** KVM_EXIT_IOAPIC_EOI: the vector. */
  get eoiVector(): number {
    return this.bytes[EOI_VECTOR];
  }

  /** KVM_EXIT_X86_RDMSR and KVM_EXIT_X86_WRMSR: the register. */
  get msrIndex(): number {
    return this.#words[MSR_INDEX];
  }

  /** KVM_EXIT_X86_RDMSR and KVM_EXIT_X86_WRMSR: KVM_MSR_EXIT_REASON_*. */
  get msrReason(): number {
    return this.#words[MSR_REASON];
  }

  /** KVM_EXIT_X86_WRMSR: what is written. It allocates; MSR exits are rare. */
  get msrData(): bigint {
    return this.#view.getBigUint64(MSR_DATA, true);
  }

  /** KVM_EXIT_X86_RDMSR: what is read. */
  set msrData(value: bigint) {
    this.#view.setBigUint64(MSR_DATA, value, true);
  }

  /** KVM_EXIT_X86_RDMSR and KVM_EXIT_X86_WRMSR: whether the guest gets a #GP for it. */
  set msrError(value: boolean) {
    this.bytes[MSR_ERROR] = value ? 1 : 0;
  }

  // KVM_CAP_SYNC_REGS

  /** Which registers KVM stores here whenever KVM_RUN returns: a set of KVM_SYNC_X86_* on x86. */
  get validRegs(): number {
    return this.#words[VALID_REGS];
  }

  set validRegs(value: number) {
    this.#words[VALID_REGS] = value;
  }

  /** Which registers KVM loads from here at the next KVM_RUN, which clears it. */
  get dirtyRegs(): number {
    return this.#words[DIRTY_REGS];
  }

  set dirtyRegs(value: number) {
    this.#words[DIRTY_REGS] = value;
  }
}
