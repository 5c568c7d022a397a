/**
 * No byte and no interrupt is lost between the chip, the host and an interrupt-driven driver, in
 * whatever order their steps come.
 *
 * The driver is a model of the one in Linux: its handler runs until IIR tells of nothing more, it is
 * called for each edge, and an edge that comes while it runs is remembered once, as by a local APIC.
 * Whatever becomes pending while the line is high and is not seen by the handler would hang it.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { SerialChip } from "./serial_chip.ts";
import { FCR, IER, IIR, LSR, Register } from "./serial_registers.ts";
import { Port } from "./serial_test_rig.ts";

/** How many bytes the handler takes or gives in one go; Linux takes 256. */
const RX_BATCH = 5;
const TX_BATCH = 16;

/** A driver whose every step is one register access. */
class Driver {
  readonly received: number[] = [];
  readonly #port: Port;
  readonly #toSend: number[] = [];
  #ier = IER.ERBFI | IER.ELSI;
  /** The code that runs: the handler, or what holds the driver's lock with interrupts off. */
  #running: Generator<void> | undefined;

  constructor(port: Port) {
    this.#port = port;
    port.open(FCR.ENABLE | 2 << FCR.TRIGGER_SHIFT, this.#ier);
  }

  /** Whether it has nothing to do and no interrupt is on its way. */
  get idle(): boolean {
    return this.#running === undefined && !this.#interruptPending();
  }

  /** Runs to the next register access. */
  step(): void {
    if (this.#running === undefined && this.#interruptPending()) {
      this.#port.edgesNow();
      this.#running = this.#handle();
    }
    if (this.#running?.next().done) this.#running = undefined;
  }

  /** A program prints through the port's interrupt. @returns false while the driver is busy. */
  print(byte: number): boolean {
    if (this.#running !== undefined) return false;
    this.#toSend.push(byte);
    this.#running = this.#startTransmitter();
    return true;
  }

  /** The kernel prints by polling, with the port's interrupts off. @returns false while it is busy. */
  printPolled(byte: number): boolean {
    if (this.#running !== undefined) return false;
    this.#running = this.#poll(byte);
    return true;
  }

  #interruptPending(): boolean {
    return [...this.#port.edges.values()].some((edges) => edges > 0);
  }

  *#handle(): Generator<void> {
    for (;;) {
      const iir = this.#port.get(Register.IIR);
      yield;
      if ((iir & IIR.NONE) !== 0) return;
      let lsr = this.#port.get(Register.LSR);
      yield;
      for (let i = 0; (lsr & LSR.DR) !== 0 && i < RX_BATCH; i++) {
        this.received.push(this.#port.get(Register.RBR));
        yield;
        lsr = this.#port.get(Register.LSR);
        yield;
      }
      this.#port.get(Register.MSR);
      yield;
      if ((lsr & LSR.THRE) !== 0 && (this.#ier & IER.ETBEI) !== 0) yield* this.#transmit();
    }
  }

  *#transmit(): Generator<void> {
    for (let i = 0; this.#toSend.length > 0 && i < TX_BATCH; i++) {
      this.#port.set(Register.THR, this.#toSend.shift()!);
      yield;
    }
    if (this.#toSend.length === 0) yield* this.#setIer(this.#ier & ~IER.ETBEI);
  }

  *#startTransmitter(): Generator<void> {
    if ((this.#ier & IER.ETBEI) === 0) yield* this.#setIer(this.#ier | IER.ETBEI);
  }

  *#poll(byte: number): Generator<void> {
    const ier = this.#port.get(Register.IER);
    yield;
    this.#port.set(Register.IER, 0);
    yield;
    while ((this.#port.get(Register.LSR) & LSR.THRE) === 0) yield;
    this.#port.set(Register.THR, byte);
    yield;
    while ((this.#port.get(Register.LSR) & LSR.THRE) === 0) yield;
    this.#port.set(Register.IER, ier);
    yield;
  }

  *#setIer(value: number): Generator<void> {
    this.#ier = value;
    this.#port.set(Register.IER, value);
    yield;
  }
}

type Move =
  | { readonly kind: "step"; readonly count: number }
  | { readonly kind: "type"; readonly count: number }
  | { readonly kind: "drain" | "print" | "printPolled" };

const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant("step"), count: fc.integer({ min: 1, max: 9 }) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("type"), count: fc.integer({ min: 1, max: 30 }) }),
    },
    fc.record({ kind: fc.constantFrom("drain", "print", "printPolled") }),
  ) as fc.Arbitrary<Move>,
  { maxLength: 120 },
);

Deno.test("no order of the host's and a driver's steps loses a byte or leaves an interrupt unseen", () => {
  fc.assert(fc.property(moves, (moves) => {
    // Small rings, so that both are full and empty all the time.
    const port = new Port({ inputCapacity: 32, outputCapacity: 4 });
    const driver = new Driver(port);
    // A vCPU must not wait here for a host that runs in the same isolate.
    port.interrupted = true;
    const host = new SerialChip(
      port.spec.state,
      port.input,
      port.output,
      port.context.irq(port.spec.irqFd),
      () => true,
    );
    const typed: number[] = [];
    let printed = 0;
    let taken = 0;
    const drain = () => {
      taken += port.printed().length;
      host.service();
    };
    const type = (count: number) => {
      for (; count > 0 && port.input.free > 0; count--) {
        typed.push(typed.length & 0xff);
        port.input.write(typed.at(-1)!);
      }
      host.service();
    };
    for (const move of moves) {
      if (move.kind === "type") type(move.count);
      else if (move.kind === "drain") drain();
      else if (move.kind === "step") { for (let i = 0; i < move.count; i++) driver.step(); }
      else if (driver[move.kind](0x61)) printed++;
    }
    // What the host takes may make room that interrupts again, so it comes before each look.
    drain();
    for (let i = 0; i < 10_000 && !driver.idle; i++) {
      driver.step();
      drain();
    }
    assert.ok(driver.idle, "the driver comes to rest");
    assert.deepEqual(driver.received, typed);
    assert.equal(
      port.get(Register.IIR) & 0x0f,
      IIR.NONE,
      "nothing is left that nobody was told of",
    );
    assert.equal(taken, printed);
  }));
});
