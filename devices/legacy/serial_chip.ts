/**
 * The chip of a serial port: its registers, FIFOs and interrupt, as in the data sheet of the
 * PC16550D, whose sections the comments give. `serial.ts` tells how it is connected.
 *
 * @module
 */

import type { IrqLine } from "../../src/bus/mod.ts";
import type { ByteRing } from "../byte_ring.ts";
import { StateLayout } from "../state.ts";
import { ByteDevice } from "./byte_device.ts";
import {
  FCR,
  FIFO_SIZE,
  IER,
  IIR,
  LCR,
  LSR,
  MCR,
  MSR,
  Register,
  TRIGGER_LEVELS,
} from "./serial_registers.ts";

/** How many reads of LSR, with the receiver not otherwise in use, show that somebody polls for input. */
const POLLS = 16;

/** The chip's registers in shared memory; the chip's behaviour depends on nothing else but the rings. */
export const SERIAL_STATE = new StateLayout({
  registers: {
    ier: 0x0f,
    fcr: 0xff & ~(FCR.RCVR_RESET | FCR.XMIT_RESET),
    lcr: 0xff,
    mcr: MCR.ALL,
    scr: 0xff,
    dll: 0xff,
    dlm: 0xff,
    /** The error bits of LSR. */
    lineErrors: LSR.OE,
    /** The delta bits of MSR. */
    modemDeltas: 0x0f,
    /** Whether the transmitter became empty and neither IIR nor THR was accessed since. */
    threPending: 1,
    /** The level of INTR behind the OUT2 gate. */
    intr: 1,
    /** The receiver FIFO: loopback data only. */
    rxFirst: FIFO_SIZE - 1,
    rxCount: FIFO_SIZE,
    /** The transmitter FIFO: only what did not fit in the output ring. */
    txFirst: FIFO_SIZE - 1,
    txCount: FIFO_SIZE,
    /** Reads of LSR since a control register was written, up to POLLS. */
    polls: POLLS,
  },
  bytes: { rxFifo: FIFO_SIZE, txFifo: FIFO_SIZE },
});
const W = SERIAL_STATE.word;

/** The chip in one isolate. Whoever calls it holds its lock. */
export class SerialChip extends ByteDevice {
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #rxFifo: Uint8Array<SharedArrayBuffer>;
  readonly #txFifo: Uint8Array<SharedArrayBuffer>;
  readonly #input: ByteRing;
  readonly #output: ByteRing;
  readonly #irq: IrqLine;
  readonly #interrupted: () => boolean;

  /**
   * @param state What the layout {@linkcode SERIAL_STATE} allocated.
   * @param input What the host sends. @param output What the guest sends.
   * @param irq The line to the interrupt controller.
   * @param interrupted Whether to stop waiting for room in the output ring.
   */
  constructor(
    state: SharedArrayBuffer,
    input: ByteRing,
    output: ByteRing,
    irq: IrqLine,
    interrupted: () => boolean,
  ) {
    super();
    const views = SERIAL_STATE.views(state);
    this.#words = views.words;
    this.#rxFifo = views.bytes.rxFifo;
    this.#txFifo = views.bytes.txFifo;
    this.#input = input;
    this.#output = output;
    this.#irq = irq;
    this.#interrupted = interrupted;
  }

  protected readByte(offset: number): number {
    const value = this.#readRegister(offset);
    this.service();
    return value;
  }

  protected writeByte(offset: number, value: number): void {
    this.#writeRegister(offset, value);
    this.service();
  }

  /** Sends what is left to send, and signals INTR if it has risen: after an access, or the host's doing. */
  service(): void {
    const words = this.#words;
    if (words[W.txCount] > 0) this.#drainTransmitter();
    const intr = (words[W.mcr] & MCR.OUT2) !== 0 && this.#pending() !== IIR.NONE ? 1 : 0;
    if (intr === words[W.intr]) return;
    words[W.intr] = intr;
    if (intr === 1) this.#irq.trigger();
  }

  #readRegister(offset: number): number {
    const words = this.#words;
    const dlab = (words[W.lcr] & LCR.DLAB) !== 0;
    switch (offset) {
      case Register.RBR:
        return dlab ? words[W.dll] : this.#receive();
      case Register.IER:
        return dlab ? words[W.dlm] : words[W.ier];
      case Register.IIR: {
        const pending = this.#pending();
        // 8.6.2: reading IIR acknowledges THRE, if that is what it tells.
        if (pending === IIR.THRE) words[W.threPending] = 0;
        return this.#fifosEnabled ? pending | IIR.FIFOS_ENABLED : pending;
      }
      case Register.LCR:
        return words[W.lcr];
      case Register.MCR:
        return words[W.mcr];
      case Register.LSR:
        return this.#readLineStatus();
      case Register.MSR: {
        const value = this.#modemLines(words[W.mcr]) | words[W.modemDeltas];
        words[W.modemDeltas] = 0;
        return value;
      }
      case Register.SCR:
        return words[W.scr];
      default:
        return 0xff;
    }
  }

  #writeRegister(offset: number, value: number): void {
    const words = this.#words;
    const dlab = (words[W.lcr] & LCR.DLAB) !== 0;
    switch (offset) {
      case Register.THR:
        if (dlab) words[W.dll] = value;
        else this.#transmit(value);
        break;
      case Register.IER:
        if (dlab) words[W.dlm] = value;
        else {
          const risen = value & ~words[W.ier];
          words[W.ier] = value & 0x0f;
          words[W.polls] = 0;
          // Enabling the interrupt while the transmitter is idle raises it: drivers probe for this.
          if ((risen & IER.ETBEI) !== 0 && words[W.txCount] === 0) words[W.threPending] = 1;
        }
        break;
      case Register.FCR:
        this.#writeFifoControl(value);
        break;
      case Register.LCR:
        words[W.lcr] = value;
        words[W.polls] = 0;
        break;
      case Register.MCR:
        this.#writeModemControl(value & MCR.ALL);
        break;
      case Register.SCR:
        words[W.scr] = value;
        break;
      default:
        // LSR and MSR are for factory tests only when written (8.4, 8.9).
        break;
    }
  }

  get #fifosEnabled(): boolean {
    return (this.#words[W.fcr] & FCR.ENABLE) !== 0;
  }

  get #depth(): number {
    return this.#fifosEnabled ? FIFO_SIZE : 1;
  }

  /** The pending interrupt of the highest priority that is enabled, as in IIR (table IV). */
  #pending(): number {
    const words = this.#words;
    const ier = words[W.ier];
    if ((ier & IER.ELSI) !== 0 && words[W.lineErrors] !== 0) return IIR.RLS;
    if ((ier & IER.ERBFI) !== 0) {
      const level = this.#receiverLevel();
      if (level > 0) {
        const trigger = TRIGGER_LEVELS[words[W.fcr] >> FCR.TRIGGER_SHIFT];
        return this.#fifosEnabled && level < trigger ? IIR.CTI : IIR.RDA;
      }
    }
    if ((ier & IER.ETBEI) !== 0 && words[W.threPending] !== 0) return IIR.THRE;
    if ((ier & IER.EDSSI) !== 0 && words[W.modemDeltas] !== 0) return IIR.MS;
    return IIR.NONE;
  }

  /** How many bytes the receiver holds, those of the host that it has room for included. */
  #receiverLevel(): number {
    const held = this.#words[W.rxCount];
    const room = this.#depth - held;
    return room > 0 && this.#hostSends() ? held + Math.min(room, this.#input.available) : held;
  }

  /** Whether the guest lets the host send, and the receiver is connected to the line. */
  #hostSends(): boolean {
    const words = this.#words;
    if ((words[W.mcr] & MCR.LOOP) !== 0) return false;
    return (words[W.mcr] & MCR.RTS) !== 0 || (words[W.ier] & IER.ERBFI) !== 0 ||
      words[W.polls] >= POLLS;
  }

  #receive(): number {
    const words = this.#words;
    if (words[W.rxCount] > 0) {
      const byte = this.#rxFifo[words[W.rxFirst]];
      words[W.rxFirst] = (words[W.rxFirst] + 1) % FIFO_SIZE;
      words[W.rxCount]--;
      return byte;
    }
    return this.#receiverLevel() > 0 ? this.#input.read() & 0xff : 0;
  }

  #readLineStatus(): number {
    const words = this.#words;
    if (words[W.polls] < POLLS) words[W.polls]++;
    let value = words[W.lineErrors];
    words[W.lineErrors] = 0;
    if (this.#receiverLevel() > 0) value |= LSR.DR;
    if (words[W.txCount] === 0) value |= LSR.THRE | LSR.TEMT;
    return value;
  }

  #transmit(value: number): void {
    const words = this.#words;
    // Writing THR acknowledges the interrupt; being empty again right away raises it anew.
    if ((words[W.mcr] & MCR.LOOP) !== 0) {
      this.#loopBack(value);
      words[W.threPending] = 1;
      return;
    }
    if (words[W.txCount] === 0 && this.#output.write(value)) {
      words[W.threPending] = 1;
      return;
    }
    words[W.threPending] = 0;
    // Full only if the guest goes on writing while THRE is clear, which is its own loss.
    if (words[W.txCount] < FIFO_SIZE) {
      this.#txFifo[(words[W.txFirst] + words[W.txCount]) % FIFO_SIZE] = value;
      // Atomic, and followed by another try: the console looks at it after it has made room.
      Atomics.add(words, W.txCount, 1);
    }
    do this.#drainTransmitter(); while (
      words[W.txCount] > 0 && this.#output.waitForRoom(this.#interrupted)
    );
    if (words[W.txCount] > 0) this.#drainTransmitter();
  }

  /** Sends what fits of what is held back. */
  #drainTransmitter(): void {
    const words = this.#words;
    while (words[W.txCount] > 0 && this.#output.write(this.#txFifo[words[W.txFirst]])) {
      words[W.txFirst] = (words[W.txFirst] + 1) % FIFO_SIZE;
      if (Atomics.sub(words, W.txCount, 1) === 1) words[W.threPending] = 1;
    }
  }

  /** 8.8, bit 4: the transmitter's output is the receiver's input. */
  #loopBack(value: number): void {
    const words = this.#words;
    const depth = this.#depth;
    if (words[W.rxCount] >= depth) {
      // 8.4, bit 1: a full FIFO keeps what it has and the new character is lost; without FIFOs
      // the new character destroys the old one.
      words[W.lineErrors] |= LSR.OE;
      if (depth === 1) this.#rxFifo[words[W.rxFirst]] = value;
      return;
    }
    this.#rxFifo[(words[W.rxFirst] + words[W.rxCount]) % FIFO_SIZE] = value;
    words[W.rxCount]++;
  }

  #writeFifoControl(value: number): void {
    const words = this.#words;
    const enable = (value & FCR.ENABLE) !== 0;
    const changed = enable !== this.#fifosEnabled;
    // 8.5: changing bit 0 clears both FIFOs; the other bits count only if it is written as 1.
    if (changed || (enable && (value & FCR.RCVR_RESET) !== 0)) {
      words[W.rxFirst] = 0;
      words[W.rxCount] = 0;
    }
    // What the transmitter holds back has been sent, by the guest's clock: it is not cleared.
    if (changed || (enable && (value & FCR.XMIT_RESET) !== 0)) {
      if (words[W.txCount] === 0) words[W.threPending] = 1;
    }
    words[W.fcr] = enable ? value & ~(FCR.RCVR_RESET | FCR.XMIT_RESET) : 0;
    words[W.polls] = 0;
  }

  #writeModemControl(value: number): void {
    const words = this.#words;
    const before = this.#modemLines(words[W.mcr]);
    const after = this.#modemLines(value);
    const changed = before ^ after;
    words[W.mcr] = value;
    words[W.polls] = 0;
    if ((changed & MSR.CTS) !== 0) words[W.modemDeltas] |= MSR.DCTS;
    if ((changed & MSR.DSR) !== 0) words[W.modemDeltas] |= MSR.DDSR;
    if ((before & ~after & MSR.RI) !== 0) words[W.modemDeltas] |= MSR.TERI;
    if ((changed & MSR.DCD) !== 0) words[W.modemDeltas] |= MSR.DDCD;
  }

  /** The modem's lines: those of a ready peer, or in loopback the chip's own outputs (8.8, bit 4). */
  #modemLines(mcr: number): number {
    if ((mcr & MCR.LOOP) === 0) return MSR.CTS | MSR.DSR | MSR.DCD;
    return ((mcr & MCR.RTS) !== 0 ? MSR.CTS : 0) | ((mcr & MCR.DTR) !== 0 ? MSR.DSR : 0) |
      ((mcr & MCR.OUT1) !== 0 ? MSR.RI : 0) | ((mcr & MCR.OUT2) !== 0 ? MSR.DCD : 0);
  }
}
