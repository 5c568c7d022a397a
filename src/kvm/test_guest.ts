/**
 * Guests of a few instructions for this room's tests, and whether this host can run them.
 * @module
 */
import { createMemFd, PAGE_SIZE, SharedMapping } from "../ffi/mod.ts";
import { capabilityName, KVM_MEM_LOG_DIRTY_PAGES } from "./bindings/mod.ts";
import { Kvm } from "./kvm.ts";
import type { Vcpu } from "./vcpu.ts";
import type { Vm } from "./vm.ts";

function usable(): boolean {
  if (Deno.build.arch !== "x86_64") return false;
  try {
    Deno.openSync("/dev/kvm", { read: true, write: true }).close();
    return true;
  } catch {
    return false;
  }
}

/** Whether tests that need KVM on x86-64 are ignored here. */
export const ignore = !usable();

/** A capability that a test needs, and the bits that it must have. */
export interface Needs {
  /** One of {@linkcode KVM_CAP}. */
  readonly capability: number;
  /** All of these bits; any when left out. */
  readonly bits?: number;
}

/** What this host lacks of what a test needs, or undefined. */
function lack(needs: Needs | undefined): string | undefined {
  if (ignore) return "/dev/kvm on x86-64";
  if (needs === undefined) return undefined;
  using kvm = Kvm.open();
  const value = kvm.checkExtension(needs.capability);
  const { bits } = needs;
  const has = bits === undefined ? value > 0 : (value & bits) === bits;
  return has ? undefined : capabilityName(needs.capability);
}

/** A test that is ignored, and says what it needs, where the host lacks that. */
export function kvmTest(name: string, body: () => void | Promise<void>, needs?: Needs): void {
  const lacks = lack(needs);
  if (lacks === undefined) Deno.test(name, body);
  else Deno.test.ignore(`${name} (needs ${lacks})`, body);
}

/** Where the code of {@link TestGuest} begins. */
export const CODE = 0x1000;
/** Bytes of RAM of {@link TestGuest}, from address 0 on. */
export const RAM = 16 * PAGE_SIZE;

/** What a test can choose about its guest. */
export interface TestGuestOptions {
  /** Whether KVM emulates the interrupt controllers. */
  readonly irqchip?: boolean;
  /** Whether writes to RAM are logged. */
  readonly logDirtyPages?: boolean;
  /** What is done to the virtual machine before it gets memory and a vCPU. */
  readonly prepare?: (vm: Vm) => void;
}

/** A virtual machine with 64 KiB of RAM and one vCPU, which is about to run code in real mode at 0:CODE. */
export class TestGuest implements Disposable {
  readonly kvm: Kvm;
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  /** All RAM. */
  readonly ram: Uint8Array<SharedArrayBuffer>;
  /** Where RAM is in this process. */
  readonly ramAddress: bigint;
  readonly #stack = new DisposableStack();

  constructor(code: readonly number[], options: TestGuestOptions = {}) {
    using undo = new DisposableStack();
    this.kvm = undo.use(Kvm.open());
    this.vm = undo.use(this.kvm.createVm());
    if (options.irqchip) this.vm.createIrqchip();
    options.prepare?.(this.vm);
    using memory = createMemFd("test-guest", RAM);
    const mapping = undo.use(new SharedMapping({ fd: memory.raw, size: RAM, what: "test RAM" }));
    this.ram = mapping.bytes();
    this.ramAddress = mapping.address;
    this.ram.set(code, CODE);
    this.vm.setUserMemoryRegion({
      slot: 0,
      guestAddress: 0,
      size: RAM,
      hostAddress: mapping.address,
      flags: options.logDirtyPages ? KVM_MEM_LOG_DIRTY_PAGES : 0,
    });
    this.vcpu = undo.use(this.vm.createVcpu(0));
    const sregs = this.vcpu.getSregs();
    this.vcpu.setSregs({ ...sregs, cs: { ...sregs.cs, base: 0n, selector: 0 } });
    this.vcpu.setRegs({ rip: BigInt(CODE), rsp: 0xf000n, rflags: 2n });
    this.#stack = undo.move();
  }

  /** Runs until the next exit and gives its reason. */
  run(): number {
    const result = this.vcpu.run();
    if (result !== 0) throw new Error(`KVM_RUN gave ${result}`);
    return this.vcpu.kvmRun.exitReason;
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]();
  }
}
