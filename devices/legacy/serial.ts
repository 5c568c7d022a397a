/**
 * A 16550A serial port, after the National Semiconductor PC16550D data sheet.
 *
 * The chip's line is the host's console. Time on it is compressed: a character takes none, so a
 * written byte has left and the transmitter is empty again before the access ends, and a character
 * time-out follows the last waiting byte at once. Line parameters (speed, word length, parity) are
 * kept and shape nothing.
 *
 * **Output** goes into a ring that the main isolate drains. When the ring is full, the access waits.
 * If the machine wants the vCPU meanwhile, the byte stays in the transmitter FIFO (THRE is clear) and
 * leaves with the next access or once the host has made room: no output is lost.
 *
 * **Input** stays in the host's ring until the guest reads RBR: the receiver FIFO is a window on it,
 * so the chip cannot overrun and clearing the FIFO loses nothing (loopback data has real storage, as
 * only that can overrun). The host honours flow control and keeps its characters to itself while
 * the guest does not want any: it sends while RTS is up, while received-data interrupts are enabled,
 * or once LSR was read 16 times since the control registers were last written, as
 * only software that polls for input does. Otherwise what a user types ahead would be eaten by the
 * dummy reads with which drivers clear the chip at their start.
 *
 * INTR reaches the interrupt controller through OUT2, as on a PC, as one edge whenever it rises.
 *
 * State: one SharedArrayBuffer behind the device's lock, which the bus takes; the rings have their
 * own synchronisation, and their guest end is used under the lock.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | values and order of register accesses | each register keeps only its defined bits |
 * | how much it prints | the output ring; the vCPU waits for the host |
 * | how long an access waits | asks `interrupted()` every 20 ms |
 * | loopback data | 16 bytes of FIFO; more sets OE |
 * | how often it is interrupted | only rising edges of INTR are signalled |
 *
 * @module
 */

import { type DeviceLock, waitForChange } from "../../src/bus/mod.ts";
import { ByteRing } from "../byte_ring.ts";
import type { AttachContext, ConsolePort, DeviceModule, DeviceSpec } from "../device.ts";
import { StateReader } from "../state.ts";
import { SERIAL_STATE, SerialChip } from "./serial_chip.ts";
import { REGISTER_COUNT } from "./serial_registers.ts";

const KIND = "serial";
const VERSION = 1;
const OUTPUT_CAPACITY = 1 << 16;
const INPUT_CAPACITY = 1 << 12;

/** How long the host gathers output before it takes it, in milliseconds. */
const GATHER_MS = 1;

/** What a serial port is made with. */
export interface SerialOptions {
  /** The first of its eight addresses; 0x3f8 for COM1. */
  readonly base: number;
  /** Port I/O unless told otherwise. */
  readonly space?: "pio" | "mmio";
  /** The irqfd of its interrupt; ISA IRQ 4 for COM1. */
  readonly irqFd: number;
  /** The size of the output ring in bytes, a power of two; 64 KiB unless told otherwise. */
  readonly outputCapacity?: number;
  /** The size of the input ring in bytes, a power of two; 4 KiB unless told otherwise. */
  readonly inputCapacity?: number;
}

/** One serial port. */
export interface SerialSpec extends DeviceSpec {
  readonly base: number;
  readonly space: "pio" | "mmio";
  readonly irqFd: number;
  readonly state: SharedArrayBuffer;
  /** A {@linkcode ByteRing} from the host to the guest. */
  readonly input: SharedArrayBuffer;
  /** A {@linkcode ByteRing} from the guest to the host. */
  readonly output: SharedArrayBuffer;
}

/** The chip in this isolate. */
function chip(
  spec: SerialSpec,
  context: Pick<AttachContext, "irq">,
  interrupted: () => boolean,
): SerialChip {
  return new SerialChip(
    spec.state,
    new ByteRing(spec.input),
    new ByteRing(spec.output),
    context.irq(spec.irqFd),
    interrupted,
  );
}

/** The 16550A serial port. */
export const serial: DeviceModule<SerialOptions, SerialSpec> = {
  kind: KIND,

  create(options) {
    return {
      kind: KIND,
      base: options.base,
      space: options.space ?? "pio",
      irqFd: options.irqFd,
      state: SERIAL_STATE.allocate(),
      input: ByteRing.allocate(options.inputCapacity ?? INPUT_CAPACITY),
      output: ByteRing.allocate(options.outputCapacity ?? OUTPUT_CAPACITY),
    };
  },

  attach(spec, context) {
    const device = chip(spec, context, () => context.interrupted());
    const range = { space: spec.space, base: spec.base, size: REGISTER_COUNT, device };
    return { ranges: [range], lock: SERIAL_STATE.views(spec.state).lock };
  },

  console: (spec, context) => new SerialConsole(spec, context),

  /** Input that the guest has not read is part of the state; output that the host has not is not. */
  save(spec) {
    const ring = new ByteRing(spec.input);
    const input = new Uint8Array(ring.available);
    ring.peekInto(input);
    return { ...SERIAL_STATE.save(spec.state, VERSION), input: Array.from(input) };
  },

  restore(spec, state) {
    const ring = new ByteRing(spec.input);
    const reader = new StateReader(KIND, VERSION, state);
    const input = reader.bytes("input", 0, ring.capacity);
    SERIAL_STATE.restore(spec.state, reader);
    ring.readInto(new Uint8Array(ring.available));
    ring.writeBytes(input);
  },
};

/**
 * Tells the chip that the host has put bytes in its input ring, or has made room in its output ring.
 * For the main isolate: takes the device's lock without blocking.
 *
 * Whoever drains the output ring must not wait for this: the lock's holder may wait for room there.
 */
export async function hostInput(
  spec: SerialSpec,
  context: Pick<AttachContext, "irq">,
): Promise<void> {
  await service(chip(spec, context, () => true), SERIAL_STATE.views(spec.state).lock);
}

async function service(device: SerialChip, lock: DeviceLock, begin?: () => void): Promise<void> {
  await lock.acquireAsync();
  try {
    begin?.();
    device.service();
  } finally {
    lock.release();
  }
}

/** The host's end of a serial port, in the main isolate. */
class SerialConsole implements ConsolePort {
  readonly #chip: SerialChip;
  readonly #lock: DeviceLock;
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #input: ByteRing;
  readonly #output: ByteRing;
  /** Settles when all that was sent so far is in the ring: keeps concurrent sends in order. */
  #sent: Promise<void> = Promise.resolve();
  /** Whether a service is on its way that has not begun. */
  #serviceDue = false;
  /** Not 0 once the port is closed: nothing is gathered any more. */
  readonly #closing = new Int32Array(new SharedArrayBuffer(4));

  constructor(spec: SerialSpec, context: Pick<AttachContext, "irq">) {
    const { lock, words } = SERIAL_STATE.views(spec.state);
    this.#chip = chip(spec, context, () => true);
    this.#lock = lock;
    this.#words = words;
    this.#input = new ByteRing(spec.input);
    this.#output = new ByteRing(spec.output);
  }

  send(bytes: Uint8Array): Promise<void> {
    const own = bytes.slice();
    const sent = this.#sent.then(() => this.#send(own));
    // A failure is the caller's to see, once; the next send starts afresh.
    this.#sent = sent.catch(() => {});
    return sent;
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      // What does not fit goes in only when the ring is empty, and INTR with it low: a driver that
      // finds data without end in one interrupt gives up on the port ("too much work for irq4").
      if ((at > 0 || this.#input.free === 0) && !await this.#input.drained()) return;
      // Under the lock, as INTR falls at the end of the access that reads the last byte: bytes that came
      // in before that would keep it high, and the driver would get no edge for them.
      await service(this.#chip, this.#lock, () => {
        at += this.#input.writeBytes(bytes.subarray(at));
      });
    }
  }

  async *output(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    let taken = -Infinity;
    while (await this.#output.waitForData()) {
      // A guest prints byte by byte; one wake-up of this isolate for each would slow it down. The first one after a
      // silence may be what somebody waits for.
      if (performance.now() - taken < GATHER_MS) {
        await waitForChange(this.#closing, 0, 0, GATHER_MS);
      }
      taken = performance.now();
      const chunk = new Uint8Array(this.#output.available);
      this.#output.readInto(chunk);
      if (Atomics.load(this.#words, SERIAL_STATE.word.txCount) > 0) {
        this.#serviceLater();
      }
      yield chunk;
    }
  }

  /** Has the chip send what it holds back, when its lock is free; this end must go on draining. */
  #serviceLater(): void {
    if (this.#serviceDue) return;
    this.#serviceDue = true;
    service(this.#chip, this.#lock, () => this.#serviceDue = false);
  }

  close(): void {
    this.#input.close();
    this.#output.close();
    Atomics.store(this.#closing, 0, 1);
    Atomics.notify(this.#closing, 0);
  }
}
