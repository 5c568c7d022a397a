/**
 * What a queue and its driver must show each other, as plain lists, for the model test of queues.
 * @module
 */
import assert from "node:assert/strict";
import type { Layout } from "../testing/driver.ts";
import type { Random } from "../testing/random.ts";
import { DescriptorChain } from "./chain.ts";
import { QueueRig } from "./queue_test_rig.ts";

/** A buffer of the model. */
interface Buffer {
  readonly token: number;
  readonly readable: readonly Uint8Array[];
  readonly writable: readonly number[];
  /** The places in the ring that it takes. */
  readonly slots: number;
}

/** One that the device has. */
interface Held {
  readonly buffer: Buffer;
  readonly chain: DescriptorChain;
}

/** One that the device gave back. */
interface Done {
  readonly buffer: Buffer;
  readonly bytes: Uint8Array;
}

/** When the driver wants to be interrupted. */
type Want =
  | { readonly kind: "always" }
  | { readonly kind: "never" }
  /** When the place or buffer of this number comes back, counted from the start. */
  | { readonly kind: "at"; readonly count: number };

/** The things that can be done, by name. */
export const ACTIONS = [
  ...["offer", "add", "publish", "pop", "unpop", "push", "flush", "collect"],
  ...["ignore", "watch", "look", "want", "refuse", "reopen"],
] as const;

/** A queue, its driver, and a model of both that judges each step. */
export class QueueModel {
  readonly #rig: QueueRig;
  readonly #layout: Layout;
  readonly #spare: DescriptorChain[] = [];
  /** Added and not published, published and not popped, popped, pushed and not flushed, flushed and not collected. */
  #added: Buffer[] = [];
  #offered: Buffer[] = [];
  #held: Held[] = [];
  #pushed: Done[] = [];
  #flushed: Done[] = [];
  /** The held buffers that were popped last, with none of those behind them given back: what can be put back. */
  #puttable = 0;
  #want: Want = { kind: "always" };
  /** Buffers (split) or places (packed) that were flushed and collected so far. */
  #flushedCount = 0;
  #collectedCount = 0;
  /** Whether the device was promised a notification, or has asked for none. */
  #promised = false;
  #ignoring = false;
  /** How many buffers have come back altogether. */
  completed = 0;
  /** How many buffers were offered when the device was promised a notification. */
  notified = 0;

  /** @param start the 16-bit index at which a split queue begins */
  constructor(layout: Layout, size: number, start = 0) {
    this.#layout = layout;
    this.#rig = new QueueRig(layout, size);
    if (!layout.packed) {
      this.#rig.driver.splitQueue(0).startAt(start);
      this.#rig.queue = this.#rig.open({ nextAvailable: start, nextUsed: start });
    }
    if (layout.eventIdx) this.#act("want", undefined);
  }

  /** Does one thing, with the choices of `random`, and compares. */
  step(action: typeof ACTIONS[number], random: Random): void {
    this.#act(action, random);
    assert.equal(this.#rig.queue.inFlight, this.#held.length);
  }

  /** Lets everything come back. */
  drain(): void {
    for (const action of ["publish", "flush"] as const) this.#act(action, undefined);
    while (this.#offered.length > 0) this.#act("pop", undefined);
    while (this.#held.length > 0) this.#act("push", undefined);
    for (const action of ["flush", "collect"] as const) this.#act(action, undefined);
    assert.equal(this.#rig.ring.outstanding, 0);
    assert.equal(this.#rig.ring.free, this.#rig.queue.size);
  }

  #act(action: typeof ACTIONS[number], random: Random | undefined): void {
    const { queue, ring } = this.#rig;
    const between = (least: number, most: number) => random?.between(least, most) ?? least;
    switch (action) {
      case "offer":
        this.#add(between);
        return this.#publish();
      case "add":
        return this.#add(between);
      case "publish":
        return this.#publish();
      case "pop":
        return this.#pop();
      case "unpop": {
        if (this.#puttable === 0) return;
        const { buffer, chain } = this.#held.pop()!;
        queue.unpop(chain);
        this.#puttable--;
        this.#spare.push(chain);
        this.#offered.unshift(buffer);
        return;
      }
      case "push":
        return this.#push(between);
      case "flush":
        return this.#flush();
      case "collect":
        return this.#collect();
      case "ignore":
        queue.ignore();
        this.#promised = false;
        this.#ignoring = true;
        return;
      case "watch":
        assert.equal(queue.watch(), this.#offered.length > 0);
        this.#ignoring = false;
        // With buffers there, it is about those: what was promised before, before an unpop, no longer holds.
        this.#promised = this.#offered.length === 0;
        return;
      case "look":
        assert.equal(queue.hasBuffers, this.#offered.length > 0);
        if (this.#offered.length === 0 && !this.#ignoring) this.#promised = true;
        return;
      case "want": {
        const after = between(1, queue.size);
        ring.wantInterrupts(after);
        const count = this.#collectedCount + after - 1;
        this.#want = this.#layout.eventIdx ? { kind: "at", count } : { kind: "always" };
        return;
      }
      case "refuse":
        ring.refuseInterrupts();
        // A split ring with event indices can't say so: it names the buffer before, 2^16 buffers from now.
        this.#want = this.#layout.eventIdx && !this.#layout.packed
          ? { kind: "at", count: this.#collectedCount - 1 }
          : { kind: "never" };
        return;
      default:
        return this.#reopen();
    }
  }

  #add(between: (least: number, most: number) => number): void {
    const { ring } = this.#rig;
    if (ring.free === 0) return;
    const pieces = between(1, Math.min(ring.free, 4));
    const readers = between(0, pieces);
    const readable = Array.from(
      { length: readers },
      () => new Uint8Array(between(0, 9)).fill(between(0, 255)),
    );
    const writable = Array.from({ length: pieces - readers }, () => between(0, 9));
    const token = ring.add({ readable, writable });
    const slots = this.#layout.indirect && pieces > 1 ? 1 : pieces;
    this.#added.push({ token, readable, writable, slots });
  }

  #publish(): void {
    const { ring } = this.#rig;
    if (this.#added.length === 0) return;
    ring.kickWanted = false;
    ring.publish();
    this.#offered.push(...this.#added);
    this.#added = [];
    if (this.#promised) {
      assert(ring.kickWanted, "the device was promised a notification");
      this.notified++;
    }
    this.#promised = false;
    const canRefuse = this.#layout.packed || !this.#layout.eventIdx;
    if (this.#ignoring && canRefuse) assert(!ring.kickWanted, "the device asked for none");
  }

  #pop(): void {
    const { queue } = this.#rig;
    const chain = this.#spare.pop() ?? new DescriptorChain(queue.size);
    const buffer = this.#offered.shift();
    assert.equal(queue.pop(chain), buffer !== undefined);
    if (buffer === undefined) {
      this.#spare.push(chain);
      if (!this.#ignoring) this.#promised = true;
      return;
    }
    const writable = buffer.writable.filter((length) => length > 0);
    const readable = buffer.readable.filter(({ length }) => length > 0);
    assert.equal(chain.readableCount, readable.length);
    assert.deepEqual(
      [...chain.lengths.subarray(0, chain.count)],
      [...readable.map(({ length }) => length), ...writable],
    );
    assert.deepEqual(
      this.#rig.read(chain),
      Uint8Array.from(readable.flatMap((bytes) => [...bytes])),
    );
    this.#held.push({ buffer, chain });
    this.#puttable++;
  }

  #push(between: (least: number, most: number) => number): void {
    if (this.#held.length === 0) return;
    const at = between(0, this.#held.length - 1);
    const [{ buffer, chain }] = this.#held.splice(at, 1);
    // Those popped before it can't be put back any more.
    this.#puttable = Math.min(this.#puttable, this.#held.length - at);
    const bytes = new Uint8Array(between(0, chain.writableBytes)).fill(between(1, 255));
    assert.equal(chain.write(this.#rig.memory, 0, bytes), bytes.length);
    this.#rig.queue.push(chain, bytes.length);
    this.#spare.push(chain);
    this.#pushed.push({ buffer, bytes });
  }

  #flush(): void {
    const { packed } = this.#layout;
    const before = this.#flushedCount;
    for (const { buffer } of this.#pushed) this.#flushedCount += packed ? buffer.slots : 1;
    this.#flushed.push(...this.#pushed);
    this.#pushed = [];
    this.#rig.interrupts = 0;
    this.#rig.queue.flush();
    const count = this.#flushedCount - before;
    assert.equal(this.#rig.interrupts, this.#interruptDue(before, count) ? 1 : 0);
  }

  #interruptDue(before: number, count: number): boolean {
    if (count === 0 || this.#want.kind === "never") return false;
    if (this.#want.kind === "always") return true;
    // An event names a place, which comes round again.
    const around = this.#layout.packed ? 2 * this.#rig.queue.size : 0x1_0000;
    const ahead = (((this.#want.count - before) % around) + around) % around;
    return ahead < count;
  }

  #collect(): void {
    const done = this.#rig.ring.collect();
    assert.deepEqual(
      done.map(({ token, written, bytes }) => ({ token, written, bytes })),
      this.#flushed.map(({ buffer: { token }, bytes }) => ({
        token,
        written: bytes.length,
        bytes,
      })),
    );
    for (const { buffer } of this.#flushed) {
      this.#collectedCount += this.#layout.packed ? buffer.slots : 1;
    }
    this.completed += this.#flushed.length;
    this.#flushed = [];
  }

  /** Another device goes on where this one was, as after a restore. */
  #reopen(): void {
    while (this.#held.length > 0) this.#act("push", undefined);
    this.#flush();
    this.#puttable = 0;
    this.#rig.queue = this.#rig.open(this.#rig.queue.position);
    this.#promised = this.#offered.length === 0;
    this.#ignoring = false;
  }
}
