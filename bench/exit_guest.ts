/**
 * A virtual machine for measuring exits: one payload, one vCPU in real mode at its first byte, and in
 * KVM what the C loop (exit_loop.c) sets up too.
 * @module
 */
import { deviceModule } from "../devices/mod.ts";
import { architecture } from "../src/arch/mod.ts";
import { EventFd } from "../src/ffi/mod.ts";
import { Kvm, type Vcpu } from "../src/kvm/mod.ts";
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
    readonly ram: GuestRam,
    readonly vcpu: Vcpu,
    /** What a run loop needs, in this isolate or in a Worker. */
    readonly job: ExitJob,
    stack: DisposableStack,
  ) {
    this.#stack = stack;
  }

  /**
   * @param image the payload, linked to {@linkcode PAYLOAD_ADDRESS}
   * @param memory bytes of RAM
   */
  static create(image: Uint8Array, memory: number): ExitGuest {
    using stack = new DisposableStack();
    using kvm = Kvm.open();
    const vm = stack.use(kvm.createVm());
    vm.setTssAddr(TSS_ADDRESS);
    vm.createIrqchip();
    const ranges = [{ guestAddress: 0, size: memory }];
    const ram = stack.use(GuestRam.allocate(ranges));
    vm.setUserMemoryRegion({ slot: 0, ...ram.slots[0] });
    ram.memory.write(PAYLOAD_ADDRESS, image);

    const vcpu = stack.use(vm.createVcpu(0));
    vcpu.setCpuid2(kvm.getSupportedCpuid());
    const sregs = vcpu.getSregs();
    vcpu.setSregs({ ...sregs, cs: { ...sregs.cs, base: 0n, selector: 0 } });
    vcpu.setRegs({ rip: BigInt(PAYLOAD_ADDRESS), rflags: 2n });

    // No payload switches an interrupt on; the devices want a line all the same.
    const irqFd = stack.use(new EventFd("an interrupt that never comes")).raw;
    const devices = architecture.platformDevices(ranges).map(({ kind, options }) =>
      // The options are data about a kind that only the registry knows.
      deviceModule(kind).create({ ...options, irqFd } as never)
    );
    const control = VcpuControl.create();
    control.withdraw(REQUEST_PAUSE);
    const job = {
      vcpu: vcpu.spec,
      vm: vm.spec,
      wiring: Wiring.allocate(0, 0, []),
      vcpuCount: 1,
      memory: ram.memory.spec,
      devices,
      control: control.spec,
      exits: ExitCounts.allocate(),
      latch: allocateLatch(),
    };
    return new ExitGuest(ram, vcpu, job, stack.move());
  }

  /** Gives everything back. The vCPU must not be running. */
  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}
