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

/** What the driver prints. */
const PRINTED = 0x61;

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

  /** A program prints `count` bytes through the port's interrupt. @returns how many; 0 while busy. */
  print(count: number): number {
    if (this.#running !== undefined) return 0;
    for (let i = 0; i < count; i++) this.#toSend.push(PRINTED);
    this.#running = this.#startTransmitter();
    return count;
  }

  /** The kernel prints bytes by polling, with the port's interrupts off. @returns as {@linkcode print}. */
  printPolled(count: number): number {
    if (this.#running !== undefined) return 0;
    this.#running = this.#poll(count);
    return count;
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

  *#poll(count: number): Generator<void> {
    const ier = this.#port.get(Register.IER);
    yield;
    this.#port.set(Register.IER, 0);
    yield;
    for (let i = 0; i < count; i++) {
      while ((this.#port.get(Register.LSR) & LSR.THRE) === 0) yield;
      this.#port.set(Register.THR, PRINTED);
      yield;
    }
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

interface Move {
  readonly kind: "step" | "type" | "drain" | "print" | "printPolled";
  readonly count: number;
}

const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<Move["kind"]>("step", "step", "type", "drain", "print", "printPolled"),
    count: fc.integer({ min: 1, max: 24 }),
  }),
  { maxLength: 120 },
);

Deno.test("no order of the host's and a driver's steps loses a byte or leaves an interrupt unseen", () => {
  fc.assert(
    fc.property(moves, (moves) => {
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
        for (let chunk; (chunk = port.printed().length) > 0;) {
          taken += chunk;
          host.service();
        }
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
        else printed += driver[move.kind](move.count);
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
    }),
    { numRuns: 500 },
  );
});
