/**
 * How a device's core interrupts its driver: the I/O isolate's half, next to the transports in the vCPUs' isolates.
 *
 * A message that finds its vector masked is kept as pending. Both halves may meet at that moment, so each writes
 * before it reads: this one sets pending and looks at the mask again, the transport opens the mask and then looks
 * at pending; whoever then takes the pending bit back sends the message, once. The pin is a level: it is raised by
 * an irqfd, falls at the guest's end of interrupt, and is raised again there while the interrupt status says so.
 *
 * Source: virtio 1.2, 4.1.4.5, 4.1.5.1.3 and 4.2.2; PCI 3.0, 6.8.2 and 6.2.4.
 *
 * @module
 */
import { Interrupt, Msix, NO_VECTOR, QueueWord, VectorWord, VirtioShared, Word } from "./shared.ts";
import type { VirtioSlot } from "./slot.ts";

/** The interrupts of one device. Nothing is allocated for one. */
export interface DeviceInterrupts {
  /** The device has used buffers of a queue. */
  queue(index: number): void;
  /** The configuration has changed. */
  config(): void;
  /** The pin has fallen at the guest's end of interrupt: what its resample eventfd tells. */
  resampled(): void;
}

/**
 * The interrupts of a device in this isolate.
 *
 * @param signal writes an eventfd
 */
export function openInterrupts(slot: VirtioSlot, signal: (fd: number) => void): DeviceInterrupts {
  const shared = new VirtioShared(slot.shared);
  const { interrupts } = slot;
  return interrupts.kind === "line"
    ? new LineInterrupts(shared, interrupts.fd, signal)
    : new MessageInterrupts(
      shared,
      interrupts.vectors.map(({ fd }) => fd),
      interrupts.pin.fd,
      signal,
    );
}

/** One edge for each interrupt; the status says what for. */
class LineInterrupts implements DeviceInterrupts {
  constructor(
    private readonly shared: VirtioShared,
    private readonly fd: number,
    private readonly signal: (fd: number) => void,
  ) {}

  queue(_index: number): void {
    this.#raise(Interrupt.usedBuffers);
  }

  config(): void {
    this.#raise(Interrupt.configuration);
  }

  resampled(): void {}

  #raise(cause: number): void {
    Atomics.or(this.shared.words, Word.interruptStatus, cause);
    this.signal(this.fd);
  }
}

/** A message by the event's vector, or the pin while MSI-X is off. */
class MessageInterrupts implements DeviceInterrupts {
  constructor(
    private readonly shared: VirtioShared,
    private readonly fds: readonly number[],
    private readonly pinFd: number,
    private readonly signal: (fd: number) => void,
  ) {}

  queue(index: number): void {
    if ((this.shared.get(Word.msix) & Msix.enabled) !== 0) {
      this.#send(this.shared.queue(index, QueueWord.vector));
    } else {
      Atomics.or(this.shared.words, Word.interruptStatus, Interrupt.usedBuffers);
      this.resampled();
    }
  }

  config(): void {
    // This bit is set whichever way the interrupt takes (4.1.4.5.1).
    Atomics.or(this.shared.words, Word.interruptStatus, Interrupt.configuration);
    if ((this.shared.get(Word.msix) & Msix.enabled) !== 0) {
      this.#send(this.shared.get(Word.configVector));
    } else this.resampled();
  }

  resampled(): void {
    if (pinAsserted(this.shared)) this.signal(this.pinFd);
  }

  #send(vector: number): void {
    if (vector === NO_VECTOR) return;
    if (isOpen(this.shared, vector)) {
      this.signal(this.fds[vector]);
      return;
    }
    this.shared.setVector(vector, VectorWord.pending, 1);
    if (!isOpen(this.shared, vector)) return;
    if (this.shared.setVector(vector, VectorWord.pending, 0) === 1) this.signal(this.fds[vector]);
  }
}

/** Whether a vector's messages go out. The vector exists: nothing else is stored for an event. */
export function isOpen(shared: VirtioShared, vector: number): boolean {
  return shared.get(Word.msix) === Msix.enabled && shared.vector(vector, VectorWord.masked) === 0;
}

/** Whether the interrupt pin is to be high. */
export function pinAsserted(shared: VirtioShared): boolean {
  return shared.get(Word.interruptStatus) !== 0 && shared.get(Word.pinDisabled) === 0 &&
    (shared.get(Word.msix) & Msix.enabled) === 0;
}
