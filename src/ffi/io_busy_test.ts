import assert from "node:assert/strict";
import { EventFd } from "./eventfd.ts";
import type { BusySource } from "./io_busy.ts";
import { IoLoop } from "./io_loop.ts";
import { never } from "./io_loop_test_rig.ts";

/** Long enough for a test on a busy host, in nanoseconds. */
const SECOND = 1e9;

/** A number in memory that something else may raise, and whoever hears of it when it is armed. */
class Counter implements BusySource {
  value = 0;
  taken = 0;
  /** How often it was looked at, and armed. */
  looks = 0;
  arms = 0;
  /** Called when it is looked at, or armed. */
  onLook: () => void = () => {};
  onArm: () => void = () => {};

  get ready(): boolean {
    this.looks++;
    this.onLook();
    return this.value > this.taken;
  }

  take(): void {
    this.taken = this.value;
  }

  arm(): boolean {
    this.arms++;
    this.onArm();
    return this.value > this.taken;
  }
}

function open(
  longestLook: number,
): { loop: IoLoop; source: Counter; add: () => { close(): void } } {
  const loop = new IoLoop({ longestLook });
  const scope = loop.scope(never);
  const source = new Counter();
  return { loop, source, add: () => scope.busy(source) };
}

Deno.test("what comes to memory while the loop looks is taken, and its source is not armed", () => {
  const { loop, source, add } = open(60 * SECOND);
  using _loop = loop;
  add();
  source.onLook = () => {
    if (source.looks === 100) source.value = 1;
  };
  loop.turn();
  assert.equal(source.taken, 1);
  assert.equal(source.arms, 0);
});

Deno.test("a completion that comes while the loop looks is dispatched, although no source has anything", () => {
  const { loop, source, add } = open(60 * SECOND);
  using _loop = loop;
  using event = new EventFd("test");
  let calls = 0;
  loop.scope(never).event(event.raw, () => calls++);
  loop.turn(0);
  add();
  source.onLook = () => {
    if (source.looks === 100) event.signal();
  };
  loop.turn();
  assert.equal(calls, 1);
  assert.equal(source.arms, 0);
});

Deno.test("before the loop sleeps its sources are armed, and what came until then is not slept on", () => {
  const { loop, source, add } = open(0);
  using _loop = loop;
  add();
  source.onArm = () => source.value = 1;
  loop.turn();
  assert.deepEqual([source.arms, source.taken], [1, 1]);
  source.onArm = () => {};
  using event = new EventFd("test");
  loop.scope(never).event(event.raw, () => source.value = 2);
  source.onArm = () => event.signal();
  loop.turn();
  assert.deepEqual([source.arms, source.taken], [2, 2]);
});

Deno.test("a loop that waits in vain looks ever more seldom, and often again once that pays", () => {
  const { loop, source, add } = open(100_000);
  using _loop = loop;
  add();
  let looked = 0;
  const turns = (count: number, turn: () => void) => {
    looked = 0;
    for (let i = 0; i < count; i++) {
      const before = source.looks;
      turn();
      // After every turn it is asked once what it has.
      if (source.looks - before > 1) looked++;
    }
    return looked;
  };
  const inVain = () => loop.turn(0.2);
  assert(turns(500, inVain) <= 10, `${looked} looks in 500 waits`);
  assert(turns(500, inVain) <= 2, `${looked} looks in 500 more`);
  source.onLook = () => source.value++;
  source.onArm = () => source.value++;
  const paying = () => loop.turn();
  turns(2000, paying);
  turns(100, paying);
  source.arms = 0;
  turns(100, paying);
  assert.equal(source.arms, 0, "every wait begins with a look that finds something");
});

Deno.test("a look ends in time for a timer", () => {
  const { loop, add } = open(60 * SECOND);
  using _loop = loop;
  add();
  let fired = false;
  loop.scope(never).timer(() => fired = true).set(5);
  const start = performance.now();
  while (!fired) loop.turn();
  assert(performance.now() - start < 5000);
});

Deno.test("a source's owner is told what it throws, and the others have their turn", () => {
  using loop = new IoLoop({ longestLook: 0 });
  const errors: unknown[] = [];
  const broken = new Counter();
  const sound = new Counter();
  const fault = new Error("broken");
  broken.take = () => {
    broken.taken = broken.value;
    throw fault;
  };
  const scope = loop.scope((error) => errors.push(error));
  scope.busy(broken);
  loop.scope(never).busy(sound);
  broken.value = sound.value = 1;
  loop.turn(0);
  assert.deepEqual(errors, [fault]);
  assert.equal(sound.taken, 1);
});

Deno.test("a source that is closed, or whose scope is, is not looked at any more", () => {
  const { loop, source, add } = open(0);
  using _loop = loop;
  add().close();
  const scope = loop.scope(never);
  const other = new Counter();
  scope.busy(other);
  scope.close();
  source.value = other.value = 1;
  loop.turn(0);
  loop.turn(1);
  assert.deepEqual([source.looks, source.arms, other.looks, other.arms], [0, 0, 0, 0]);
  assert.throws(() => scope.busy(other), /closed/);
});
