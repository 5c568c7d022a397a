/**
 * An event loop against a model of what it has to do, with random wishes.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { EventFd } from "./eventfd.ts";
import { IoLoop } from "./io_loop.ts";
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  type IoEvent,
  type IoOperation,
  POLLIN,
  RWF_DSYNC,
} from "./io_scope.ts";
import { createMemFd } from "./mapping.ts";
import { Buffers } from "./test_files.ts";

const never = (error: unknown) => {
  throw error;
};

/** Each operation has a part of the file for itself, so that all can be under way at once. */
const PART = 8192;
const OPERATIONS = 16;

const range = fc.record({ offset: fc.nat(PART + 2000), length: fc.nat(3000) });
const wish = fc.record({
  operation: fc.nat(OPERATIONS - 1),
  kind: fc.constantFrom("read", "write", "write", "sync", "punch", "zero"),
  range,
  /** Where the vectors' borders are, in the range. */
  cuts: fc.array(fc.nat(3000), { maxLength: 5 }),
  byte: fc.integer({ min: 1, max: 255 }),
  durable: fc.boolean(),
  /** Whether the loop is turned after it. */
  turn: fc.boolean(),
});

/** One operation with its buffer and its part of the model. */
class Lane {
  readonly buffers = new Buffers(4096);
  readonly operation: IoOperation;
  check: ((result: number) => void) | undefined;
  completed = 0;

  constructor(loop: IoLoop) {
    this.operation = loop.scope(never).operation((result) => {
      const check = this.check;
      this.check = undefined;
      this.completed++;
      assert(check !== undefined, "a completion that nobody waits for");
      check(result);
    });
  }
}

Deno.test("10,000 random operations, many at once through few entries, do to a file what they say", () => {
  using memory = createMemFd("file", PART * OPERATIONS);
  const file = new Uint8Array(PART * OPERATIONS);
  using loop = new IoLoop({ entries: 4 });
  const lanes = Array.from({ length: OPERATIONS }, () => new Lane(loop));
  let wishes = 0;
  const begin = ({ operation: index, kind, range, cuts, byte, durable, turn }: Wish) => {
    const { operation, buffers } = lanes[index];
    while (operation.busy) loop.turn(5000);
    wishes++;
    const offset = Math.min(range.offset, PART);
    const length = Math.min(range.length, PART - offset);
    const at = index * PART + offset;
    const borders = [0, ...cuts.filter((cut) => cut < length).toSorted((a, b) => a - b), length];
    // The vectors are in the buffer in the opposite order to that in the file.
    const vectors = borders.slice(1).map((end, i): [number, number] => [
      length - end,
      end - borders[i],
    ]);
    const count = buffers.point(...vectors);
    const gather = () =>
      vectors.flatMap(([from, size]) => [...buffers.bytes.subarray(from, from + size)]);
    switch (kind) {
      case "read": {
        const expected = [...file.subarray(at, at + length)];
        buffers.bytes.fill(0xee);
        operation.readv(memory.raw, buffers.vectors, count, at);
        lanes[index].check = (result) => {
          assert.equal(result, length);
          assert.deepEqual(gather(), expected);
          assert.equal(buffers.bytes[length], 0xee);
        };
        break;
      }
      case "write":
        for (let i = 0; i < length; i++) buffers.bytes[i] = (byte + i * 7) & 0xff;
        file.set(gather(), at);
        operation.writev(memory.raw, buffers.vectors, count, at, durable ? RWF_DSYNC : 0);
        lanes[index].check = (result) => assert.equal(result, length);
        break;
      case "sync":
        operation.fdatasync(memory.raw);
        lanes[index].check = (result) => assert.equal(result, 0);
        break;
      default: {
        const mode = kind === "punch" ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
        operation.fallocate(memory.raw, mode | FALLOC_FL_KEEP_SIZE, at, length);
        // A memfd has no ZERO_RANGE, and nothing of no length can be punched.
        const works = kind === "punch" && length > 0;
        if (works) file.fill(0, at, at + length);
        lanes[index].check = (result) => assert.equal(result === 0, works, String(result));
      }
    }
    if (turn) loop.turn(0);
  };
  fc.assert(
    fc.property(fc.array(wish, { minLength: 100, maxLength: 100 }), (wishes) => {
      wishes.forEach(begin);
      while (lanes.some(({ operation }) => operation.busy)) loop.turn(5000);
    }),
    { numRuns: 100, endOnFailure: true },
  );
  assert.equal(wishes, 10_000);
  assert.equal(lanes.reduce((sum, { completed }) => sum + completed, 0), wishes);
});

type Wish = typeof wish extends fc.Arbitrary<infer T> ? T : never;

const EVENTS = 6;
const step = fc.record({
  event: fc.nat(EVENTS - 1),
  kind: fc.constantFrom(
    "signal",
    "signal",
    "drain",
    "arm",
    "arm",
    "disarm",
    "open",
    "close",
    "turn",
  ),
});

Deno.test("events and polls call back exactly when they should, however they are opened, armed and ended", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(2, 64), (steps, entries) => {
      using loop = new IoLoop({ entries });
      const scope = loop.scope(never);
      const lanes = Array.from({ length: EVENTS }, (_, i) => {
        const event = new EventFd(`event ${i}`);
        const lane = { event, count: 0, polled: 0, fired: 0, due: false, armed: false };
        const poll = scope.poll(event.raw, POLLIN, (events) => {
          assert.equal(events, POLLIN);
          lane.polled++;
        });
        return { lane, poll, open: undefined as IoEvent | undefined };
      });
      const turn = () => {
        // All that is due comes in one turn, and nothing else.
        const before = lanes.map(({ lane }) => ({ ...lane }));
        loop.turn(0);
        // A completion that had to wait for room comes in the next one.
        loop.turn(0);
        lanes.forEach(({ lane, poll, open }, i) => {
          const ready = before[i].armed && lane.count > 0;
          assert.equal(lane.polled - before[i].polled, ready ? 1 : 0);
          assert.equal(poll.armed, before[i].armed && !ready);
          lane.armed = poll.armed;
          if (before[i].due) assert(lane.fired > before[i].fired, "a signal was lost");
          if (open === undefined) assert.equal(lane.fired, before[i].fired);
          lane.due = false;
        });
      };
      for (const { event: index, kind } of steps) {
        const each = lanes[index];
        const { lane, poll } = each;
        if (kind === "signal") {
          lane.event.signal();
          lane.count++;
          lane.due = each.open !== undefined;
        } else if (kind === "drain") {
          assert.equal(lane.event.drain(), BigInt(lane.count));
          // An armed poll may or may not have seen the signal; let it.
          if (lane.armed && lane.count > 0) {
            lane.event.signal();
            lane.count = 1;
          } else {
            lane.count = 0;
          }
          // A signal that was drained before the turn need not be told.
          lane.due = lane.due && lane.count > 0;
        } else if (kind === "arm") {
          poll.arm();
          lane.armed = true;
        } else if (kind === "disarm") {
          poll.disarm();
          lane.armed = false;
        } else if (kind === "open") {
          if (each.open !== undefined) continue;
          each.open = scope.event(lane.event.raw, () => lane.fired++);
          lane.due = lane.count > 0;
        } else if (kind === "close") {
          each.open?.close();
          each.open = undefined;
          lane.due = false;
        } else {
          turn();
        }
      }
      turn();
      for (const { lane } of lanes) lane.event[Symbol.dispose]();
    }),
    { numRuns: 300 },
  );
});
