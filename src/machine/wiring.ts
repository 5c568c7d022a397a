/**
 * The wiring between guest and devices that a running guest changes: doorbells and message-signalled interrupts.
 *
 * KVM replaces its whole routing table at once (KVM_SET_GSI_ROUTING). So the messages of all vectors are kept in
 * shared memory; whichever vCPU's isolate changes one hands KVM the whole table, under a lock.
 * @module
 */
import { DeviceLock } from "../bus/mod.ts";
import { KVM_IRQ_ROUTING } from "../kvm/bindings/irq.ts";
import type { VmFd } from "../kvm/vm_fd.ts";
import type { Doorbell, MachineWiring } from "../../devices/device.ts";

/** One entry of KVM's routing table. */
export type Route = Parameters<VmFd["setGsiRouting"]>[0][number];

/** What is posted to each vCPU's Worker. */
export interface WiringSpec {
  /** The lock, then {@linkcode WORDS} words for each message-signalled GSI. */
  readonly memory: SharedArrayBuffer;
  /** The GSI of the first message; the others follow. */
  readonly firstGsi: number;
  /** The routes that never change: the interrupt controllers' own. */
  readonly fixed: readonly Route[];
}

/** used, address high, address low, data */
const WORDS = 4;
const LOCK_WORDS = 1;

/** The wiring of one machine, seen from one isolate. */
export class Wiring implements MachineWiring {
  readonly spec: WiringSpec;
  readonly #vm: Pick<VmFd, "ioeventfd" | "ioeventfdDeassign" | "setGsiRouting">;
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #lock: DeviceLock;
  readonly #gsis: number;

  /** The wiring of a new machine with room for `gsis` messages. */
  static allocate(gsis: number, firstGsi: number, fixed: readonly Route[]): WiringSpec {
    return { memory: new SharedArrayBuffer((LOCK_WORDS + gsis * WORDS) * 4), firstGsi, fixed };
  }

  constructor(
    vm: Pick<VmFd, "ioeventfd" | "ioeventfdDeassign" | "setGsiRouting">,
    spec: WiringSpec,
  ) {
    this.spec = spec;
    this.#vm = vm;
    this.#words = new Uint32Array(spec.memory);
    this.#lock = new DeviceLock(new Int32Array(spec.memory), 0);
    this.#gsis = (this.#words.length - LOCK_WORDS) / WORDS;
  }

  bindDoorbell({ eventfd, address, length, datamatch }: Doorbell): void {
    this.#vm.ioeventfd(eventfd, { address, length, datamatch });
  }

  unbindDoorbell({ eventfd, address, length, datamatch }: Doorbell): void {
    this.#vm.ioeventfdDeassign(eventfd, { address, length, datamatch });
  }

  routeMsi(gsi: number, addressHigh: number, addressLow: number, data: number): void {
    const index = gsi - this.spec.firstGsi;
    if (!(index >= 0 && index < this.#gsis)) {
      throw new RangeError(`GSI ${gsi} is not one of the machine's message-signalled ones`);
    }
    this.#lock.acquire();
    try {
      this.#words.set([1, addressHigh, addressLow, data], LOCK_WORDS + index * WORDS);
      this.#vm.setGsiRouting([...this.spec.fixed, ...this.#messages()]);
    } finally {
      this.#lock.release();
    }
  }

  #messages(): Route[] {
    const routes: Route[] = [];
    for (let i = 0; i < this.#gsis; i++) {
      const at = LOCK_WORDS + i * WORDS;
      const [used, addressHigh, addressLow, data] = this.#words.subarray(at, at + WORDS);
      if (used === 0) continue;
      const msi = { address_lo: addressLow, address_hi: addressHigh, data };
      routes.push({ gsi: this.spec.firstGsi + i, type: KVM_IRQ_ROUTING.MSI, u: { msi } });
    }
    return routes;
  }
}
