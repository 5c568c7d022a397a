/**
 * A serial port as a driver sees it, for tests.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ByteRing } from "../byte_ring.ts";
import { TestRig } from "../test_rig.ts";
import { hostInput, serial, type SerialOptions } from "./serial.ts";
import { FCR, IER, IIR, MCR, Register } from "./serial_registers.ts";

/** Where the port is. */
export const COM1 = 0x3f8;
const IRQ_FD = 42;
/** What IIR shows beside the interrupt while the FIFOs are on. */
export const FIFOS = IIR.FIFOS_ENABLED;

/** A serial port as a driver sees it. */
export class Port extends TestRig {
  readonly spec;
  readonly input;
  readonly output;

  constructor(options: Partial<SerialOptions> = {}) {
    super();
    this.spec = serial.create({ base: COM1, irqFd: IRQ_FD, ...options });
    this.attach(serial, this.spec);
    this.input = new ByteRing(this.spec.input);
    this.output = new ByteRing(this.spec.output);
  }

  /** Reads a register. */
  get(register: number): number {
    return this.in(COM1 + register);
  }

  /** Writes a register. */
  set(register: number, value: number): void {
    this.out(COM1 + register, value);
  }

  /** How many rising edges came since the last time this was asked. */
  edgesNow(): number {
    const edges = this.edges.get(IRQ_FD) ?? 0;
    this.edges.delete(IRQ_FD);
    return edges;
  }

  /** The host types. */
  async type(text: string): Promise<void> {
    assert.equal(this.input.writeBytes(new TextEncoder().encode(text)), text.length);
    await hostInput(this.spec, this.context);
  }

  /** The guest prints. */
  print(text: string): void {
    for (const byte of new TextEncoder().encode(text)) this.set(Register.THR, byte);
  }

  /** What the host has been given since the last time this was asked. */
  printed(): string {
    const bytes = new Uint8Array(this.output.available);
    this.output.readInto(bytes);
    return new TextDecoder().decode(bytes);
  }

  /** As a driver does for a port that somebody opens. */
  open(fcr: number = FCR.ENABLE, ier: number = IER.ERBFI): this {
    this.set(Register.FCR, fcr);
    this.set(Register.MCR, MCR.DTR | MCR.RTS | MCR.OUT2);
    this.set(Register.IER, ier);
    this.edgesNow();
    return this;
  }
}
