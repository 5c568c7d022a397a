/**
 * A machine without KVM, for tests of devices: two buses, counted interrupts, recorded requests.
 *
 * @module
 */

import { Bus, type IrqLine, PIO_SPACE_SIZE } from "../src/bus/mod.ts";
import { GuestMemory } from "../src/memory/mod.ts";
import type { AttachContext, DeviceModule, DeviceSpec, Doorbell } from "./device.ts";

/** Attaches devices as a vCPU's Worker does, and shows what they did. */
export class TestRig {
  readonly pio = new Bus("pio", PIO_SPACE_SIZE);
  readonly mmio = new Bus();
  readonly memory = GuestMemory.forTest(1 << 16);
  /** What the guest asked of the machine, in order: "exit 3", "reset i8042", "power-off acpi". */
  readonly requests: string[] = [];
  /** Signals by eventfd: rising edges, of an irqfd. */
  readonly edges = new Map<number, number>();
  /** What happens when an eventfd is signalled, in the middle of the access that does so. */
  readonly listeners = new Map<number, () => void>();
  /** Doorbells that are bound, and the last message of each GSI, as devices set them. */
  readonly doorbells = new Set<Doorbell>();
  readonly messages = new Map<number, readonly [high: number, low: number, data: number]>();
  /** What `interrupted()` answers. */
  interrupted = false;

  readonly context: AttachContext = {
    memory: this.memory,
    irq: (fd: number): IrqLine => ({
      trigger: () => {
        this.edges.set(fd, (this.edges.get(fd) ?? 0) + 1);
        this.listeners.get(fd)?.();
      },
    }),
    requests: {
      exit: (status) => void this.requests.push(`exit ${status}`),
      reset: (source) => void this.requests.push(`reset ${source}`),
      powerOff: (source) => void this.requests.push(`power-off ${source}`),
    },
    wiring: {
      bindDoorbell: (doorbell) => void this.doorbells.add(doorbell),
      unbindDoorbell: (doorbell) => void this.doorbells.delete(this.#bound(doorbell)),
      routeMsi: (gsi, high, low, data) => void this.messages.set(gsi, [high, low, data]),
    },
    interrupted: () => this.interrupted,
  };

  /** Puts a device on the buses; the spec is cloned on its way, as by postMessage. */
  attach<O, S extends DeviceSpec>(module: DeviceModule<O, S>, spec: S): void {
    const { ranges, lock } = module.attach(structuredClone(spec), this.context);
    for (const { space, base, size, device } of ranges) {
      this[space].insert(base, size, device, lock);
    }
  }

  /** The bound doorbell that is equal to this one, as KVM finds it. */
  #bound(wanted: Doorbell): Doorbell {
    for (const doorbell of this.doorbells) {
      if (
        doorbell.eventfd === wanted.eventfd && doorbell.address === wanted.address &&
        doorbell.length === wanted.length && doorbell.datamatch === wanted.datamatch
      ) return doorbell;
    }
    throw new Error(`there is no doorbell at 0x${wanted.address.toString(16)} to unbind`);
  }

  /** Reads one byte from a port, as IN does. */
  in(port: number): number {
    return this.pio.read(port, 1);
  }

  /** Writes one byte to a port, as OUT does. */
  out(port: number, value: number): void {
    this.pio.write(port, 1, value);
  }
}
