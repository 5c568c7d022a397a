/**
 * A virtual machine for measuring exits: one payload, vCPUs in real mode at its first byte, and in KVM what
 * the peers in C (kvm_guest.h) set up too.
 * @module
 */
import { deviceModule } from "../devices/mod.ts";
import { architecture } from "../src/arch/mod.ts";
import { EventFd } from "../src/ffi/mod.ts";
import { Kvm, KVM_MP_STATE, type Vcpu, type Vm } from "../src/kvm/mod.ts";
import { GuestRam } from "../src/memory/mod.ts";
import { ExitCounts, REQUEST_PAUSE, VcpuControl } from "../src/vcpu/mod.ts";
import { Wiring } from "../src/machine/wiring.ts";
import type { ExitJob } from "./exit_run_loop.ts";
import { allocateLatch } from "./latch.ts";

/** Where the payloads are loaded and entered. */
export const PAYLOAD_ADDRESS = 0x2000;
/** A byte port that a device answers at: the POST code port. */
export const PORT = 0x80;
/** The byte that the latch answers at. */
export const DEVICE = 0xd000_0000;
/** Three pages that old Intel processors need for real mode. */
const TSS_ADDRESS = 0xfffb_d000;

/** A guest that is ready to be entered. */
export class ExitGuest implements Disposable {
  readonly #stack: DisposableStack;

  private constructor(
    readonly vm: Vm,
    readonly ram: GuestRam,
    readonly vcpus: readonly Vcpu[],
    /** What each vCPU's run loop needs, in this isolate or in a Worker. */
    readonly jobs: readonly ExitJob[],
    stack: DisposableStack,
  ) {
    this.#stack = stack;
  }

  /**
   * @param image the payload, linked to {@linkcode PAYLOAD_ADDRESS}
   * @param memory bytes of RAM
   * @param cpus how many vCPUs enter it
   * @throws {KvmUnavailableError} where there is no KVM
   */
  static create(image: Uint8Array, memory: number, cpus = 1): ExitGuest {
    using stack = new DisposableStack();
    using kvm = Kvm.open();
    const vm = stack.use(kvm.createVm());
    vm.setTssAddr(TSS_ADDRESS);
    vm.createIrqchip();
    const ranges = [{ guestAddress: 0, size: memory }];
    const ram = stack.use(GuestRam.allocate(ranges));
    vm.setUserMemoryRegion({ slot: 0, ...ram.slots[0] });
    ram.memory.write(PAYLOAD_ADDRESS, image);

    // No payload switches an interrupt of theirs on; the devices want a line all the same.
    const irqFd = stack.use(new EventFd("an interrupt that never comes")).raw;
    const devices = architecture.platformDevices(ranges).map(({ kind, options }) =>
      // The options are data about a kind that only the registry knows.
      deviceModule(kind).create({ ...options, irqFd } as never)
    );
    const cpuid = kvm.getSupportedCpuid();
    const latch = allocateLatch();
    const wiring = Wiring.allocate(0, 0, []);
    const vcpus = Array.from({ length: cpus }, (_, id) => {
      const vcpu = stack.use(vm.createVcpu(id));
      vcpu.setCpuid2(cpuid);
      const sregs = vcpu.getSregs();
      vcpu.setSregs({ ...sregs, cs: { ...sregs.cs, base: 0n, selector: 0 } });
      vcpu.setRegs({ rip: BigInt(PAYLOAD_ADDRESS), rflags: 2n });
      // Whichever it is, it doesn't wait for another one to start it.
      vcpu.setMpState(KVM_MP_STATE.RUNNABLE);
      return vcpu;
    });
    const jobs = vcpus.map((vcpu) => {
      const control = VcpuControl.create();
      control.withdraw(REQUEST_PAUSE);
      return {
        vcpu: vcpu.spec,
        vm: vm.spec,
        wiring,
        vcpuCount: cpus,
        memory: ram.memory.spec,
        devices,
        control: control.spec,
        exits: ExitCounts.allocate(),
        latch,
      };
    });
    return new ExitGuest(vm, ram, vcpus, jobs, stack.move());
  }

  /** Gives everything back. No vCPU may be running. */
  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}
