import assert from "node:assert/strict";
import { EventFd } from "./eventfd.ts";
import { open } from "./io_loop_test_rig.ts";

Deno.test("timers fire in their order, never early, once for each time they are set", () => {
  const { loop, scope } = open();
  using _loop = loop;
  const fired: string[] = [];
  const timer = (name: string, milliseconds: number) => {
    let due = 0;
    const timer = scope.timer(() => {
      assert(performance.now() >= due, `${name} fired early`);
      assert.equal(timer.armed, false);
      fired.push(name);
    });
    due = performance.now() + milliseconds;
    timer.set(milliseconds);
    return timer;
  };
  timer("c", 12);
  timer("a", 0.3);
  const forgotten = timer("x", 5);
  timer("b", 7.5);
  const moved = timer("d", 1);
  moved.set(20);
  assert.equal(moved.armed, true);
  forgotten.clear();
  forgotten.clear();
  assert.equal(forgotten.armed, false);
  while (fired.length < 4) loop.turn();
  assert.deepEqual(fired, ["a", "b", "c", "d"]);
  for (const wrong of [-1, NaN]) assert.throws(() => moved.set(wrong), RangeError);
  moved.set(Infinity);
  loop.turn(0);
  assert.equal(moved.armed, true);
});

Deno.test("a thousand random timers: each sleeps in the kernel, none is early", () => {
  const { loop, scope } = open();
  using _loop = loop;
  let left = 1000;
  let latest = 0;
  for (let i = 0; i < 1000; i++) {
    const milliseconds = Math.random() * 50;
    const due = performance.now() + milliseconds;
    scope.timer(() => {
      const late = performance.now() - due;
      assert(late >= 0, `${-late} ms early`);
      latest = Math.max(latest, late);
      left--;
    }).set(milliseconds);
  }
  let turns = 0;
  while (left > 0) {
    loop.turn();
    turns++;
  }
  // One for each timer at most, and a few for the kernel's rounding.
  assert(turns <= 1100, `${turns} turns`);
  assert(latest < 1000, `${latest} ms late`);
});

Deno.test("a timer that sets itself for now keeps neither events nor the turn's end away", () => {
  using event = new EventFd("test");
  const { loop, scope } = open();
  using _loop = loop;
  let fired = 0;
  const timer = scope.timer(() => {
    fired++;
    timer.set(0);
  });
  timer.set(0);
  let calls = 0;
  scope.event(event.raw, () => calls++);
  event.signal();
  for (let i = 0; i < 3; i++) loop.turn();
  assert.equal(calls, 1);
  assert(fired >= 3 && fired < 1000, String(fired));
});

Deno.test("time stands still in a turn", () => {
  const { loop, scope } = open();
  using _loop = loop;
  const times: number[] = [];
  const note = () => {
    times.push(scope.now);
    const start = performance.now();
    while (performance.now() < start + 2);
    times.push(scope.now);
  };
  scope.timer(note).set(0);
  scope.timer(note).set(0);
  while (times.length < 4) loop.turn();
  assert.equal(times[0], times[3]);
  assert(scope.now > times[0]);
});
