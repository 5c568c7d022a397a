import assert from "node:assert/strict";
import { EventFd } from "./eventfd.ts";
import { Fd } from "./fd.ts";
import { IoLoop } from "./io_loop.ts";
import type { Job } from "./io_loop_test_worker.ts";
import { POLLHUP, POLLIN, POLLOUT, POLLRDHUP } from "./io_scope.ts";
import { SysError } from "./errno.ts";
import { liveMappings } from "./mapping.ts";
import { currentThread } from "./signal.ts";
import { never, open } from "./io_loop_test_rig.ts";
import { Buffers, openDescriptors } from "./test_files.ts";
import { SHUT_WR, shutdownSocket, socketPair } from "./unix_socket.ts";
import { readv, writev } from "./vectored_io.ts";

/** A Worker that has started. */
async function startWorker(): Promise<Worker> {
  const url = import.meta.resolve("./io_loop_test_worker.ts");
  const worker = new Worker(url, { type: "module" });
  assert.equal(await answer(worker), "ready");
  return worker;
}

function answer(worker: Worker): Promise<string> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
  });
}

for (const setups of [undefined, [0]]) {
  const how = setups === undefined ? "" : ", without what Linux 6.0 and 6.1 have added";
  Deno.test(`none of 100,000 signals of an eventfd that is never drained is lost${how}`, async () => {
    const worker = await startWorker();
    using event = new EventFd("test");
    using loop = new IoLoop({ setups });
    const words = new Int32Array(new SharedArrayBuffer(8));
    const signals = 100_000;
    let calls = 0;
    loop.scope(never).event(event.raw, () => {
      calls++;
      // As a queue is read after its kick: what was stored before the signal is seen.
      Atomics.store(words, 1, Atomics.load(words, 0));
      Atomics.notify(words, 1);
    });
    const job: Job = { kind: "signal", eventfd: event.raw, words, signals, longestBurst: 64 };
    worker.postMessage(job);
    const end = answer(worker);
    while (words[1] < signals) {
      const before = calls;
      loop.turn(10_000);
      assert(calls > before, `no call for 10 s after ${words[0]} signals, ${words[1]} seen`);
    }
    assert.equal(await end, "done");
    worker.terminate();
    assert(calls <= signals + 1, `${calls} calls`);
    assert.equal(event.drain(), BigInt(signals));
  });
}

Deno.test("a counter that is not zero calls back at first, and an event that is closed never again", () => {
  using event = new EventFd("test");
  const { loop, scope } = open();
  using _loop = loop;
  event.signal();
  let calls = 0;
  const io = scope.event(event.raw, () => calls++);
  loop.turn();
  assert.equal(calls, 1);
  loop.turn(0);
  assert.equal(calls, 1);
  event.signal();
  event.signal();
  loop.turn();
  assert.equal(calls, 2);
  event.signal();
  io.close();
  io.close();
  loop.turn(0);
  event.signal();
  loop.turn(5);
  assert.equal(calls, 2);
});

Deno.test("more events than fit into the rings are all called back, again and again", () => {
  const { loop, scope } = open(2);
  using _loop = loop;
  const events = Array.from({ length: 100 }, (_, i) => new EventFd(`event ${i}`));
  const calls = events.map(() => 0);
  events.forEach((event, i) => scope.event(event.raw, () => calls[i]++));
  for (let round = 1; round <= 20; round++) {
    const before = calls.slice();
    for (const event of events) event.signal();
    for (let turns = 0; calls.some((count, i) => count === before[i]); turns++) {
      assert(turns < 100, `round ${round}: an event was lost`);
      loop.turn(5000);
    }
  }
  for (const event of events) event[Symbol.dispose]();
});

Deno.test("a poll calls back once for each time it is armed, with what is ready", () => {
  const { loop, scope } = open();
  using _loop = loop;
  const [near, far] = socketPair("test");
  const buffers = new Buffers(16);
  const seen: number[] = [];
  const poll = scope.poll(near.raw, POLLIN | POLLRDHUP, (events) => seen.push(events));
  assert.equal(poll.armed, false);
  writev(far.raw, buffers.vectors, buffers.text("x"));
  loop.turn(0);
  assert.deepEqual(seen, []);
  poll.arm();
  poll.arm();
  assert.equal(poll.armed, true);
  loop.turn();
  assert.deepEqual(seen, [POLLIN]);
  assert.equal(poll.armed, false);
  loop.turn(0);
  assert.deepEqual(seen, [POLLIN]);
  readv(near.raw, buffers.vectors, 1);
  poll.arm();
  loop.turn(0);
  assert.deepEqual(seen, [POLLIN]);
  shutdownSocket(far.raw, SHUT_WR);
  loop.turn();
  assert.deepEqual(seen, [POLLIN, POLLIN | POLLRDHUP]);
  far.close();
  poll.arm();
  loop.turn();
  assert.equal(seen[2] & POLLHUP, POLLHUP);
  near.close();
});

Deno.test("a poll that is disarmed does not call back, even if it was ready already", () => {
  const { loop, scope } = open();
  using _loop = loop;
  const [near, far] = socketPair("test");
  let calls = 0;
  const poll = scope.poll(near.raw, POLLOUT, () => calls++);
  // Before it is submitted.
  poll.arm();
  poll.disarm();
  poll.disarm();
  loop.turn(0);
  // Completed in the kernel, but not called back yet: closing another poll enters the kernel.
  poll.arm();
  const other = scope.poll(far.raw, POLLIN, () => calls++);
  other.arm();
  other.close();
  poll.disarm();
  loop.turn(0);
  assert.equal(calls, 0);
  // Disarmed and armed again: one call for it.
  poll.arm();
  poll.disarm();
  poll.arm();
  loop.turn();
  loop.turn(0);
  assert.equal(calls, 1);
  poll.close();
  poll.close();
  assert.throws(() => poll.arm(), /is closed/);
  near.close();
  far.close();
});

Deno.test("a descriptor whose poll was closed is let go of at once", () => {
  const { loop, scope } = open();
  using _loop = loop;
  const [near, far] = socketPair("test");
  const buffers = new Buffers(16);
  const poll = scope.poll(near.raw, POLLIN, never);
  poll.arm();
  loop.turn(0);
  poll.close();
  near.close();
  // While a request holds the socket, the other end does not see it close.
  buffers.point([0, 16]);
  assert.equal(readv(far.raw, buffers.vectors, 1), 0);
  far.close();
});

Deno.test("what can't be polled is told to the scope's owner alone", () => {
  using loop = new IoLoop();
  const errors: unknown[] = [];
  const scope = loop.scope((error) => errors.push(error));
  scope.poll(1_000_000, POLLIN, never).arm();
  scope.event(1_000_001, () => never("fired"));
  let fired = 0;
  loop.scope(never).timer(() => fired++).set(0);
  loop.turn();
  assert.equal(fired, 1);
  assert.deepEqual(errors.map((error) => error instanceof SysError && error.message), [
    "waiting for descriptor 1000000: poll failed with EBADF (Bad file descriptor)",
    "waiting for eventfd 1000001: poll failed with EBADF (Bad file descriptor)",
  ]);
});

Deno.test("an idle loop sleeps in one turn, and takes no processor time", () => {
  using event = new EventFd("test");
  const { loop, scope } = open();
  using _loop = loop;
  scope.event(event.raw, never);
  scope.poll(event.raw, POLLIN, never).arm();
  const ticks = () => {
    const stat = Deno.readTextFileSync(`/proc/self/task/${currentThread()}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11]) + Number(fields[12]);
  };
  const before = ticks();
  const start = performance.now();
  loop.turn(500);
  assert(performance.now() - start >= 500, "the only turn ended early");
  // In hundredths of a second.
  assert(ticks() - before <= 2, `${ticks() - before} ticks`);
});

Deno.test("a callback that throws is told to its owner, and the others go on", () => {
  using loop = new IoLoop();
  using event = new EventFd("test");
  const errors: string[] = [];
  const scope = loop.scope((error) => errors.push((error as Error).message));
  const fail = (text: string) => () => {
    throw new Error(text);
  };
  event.signal();
  scope.event(event.raw, fail("event"));
  scope.poll(event.raw, POLLIN, fail("poll")).arm();
  scope.operation(fail("operation")).fdatasync(1_000_000);
  scope.timer(fail("timer")).set(0);
  scope.whenIdle(fail("idle"));
  const calls: string[] = [];
  const other = loop.scope(never);
  other.event(event.raw, () => calls.push("event"));
  other.timer(() => calls.push("timer")).set(0);
  while (errors.length < 5 || calls.length < 2) loop.turn(5000);
  assert.deepEqual(errors.toSorted(), ["event", "idle", "operation", "poll", "timer"]);
  assert.deepEqual(calls.toSorted(), ["event", "timer"]);
  // The scope is its owner's to close: until then it goes on.
  event.signal();
  loop.turn();
  assert.equal(errors.length, 6);
});

Deno.test("what an owner throws comes out of the turn, after all callbacks", () => {
  using loop = new IoLoop();
  const scope = loop.scope(never);
  const calls: number[] = [];
  for (let i = 0; i < 3; i++) {
    scope.timer(() => {
      calls.push(i);
      if (i < 2) throw new Error(`failure ${i}`);
    }).set(0);
  }
  const turn = () => {
    while (calls.length < 3) loop.turn();
  };
  assert.throws(turn, /failure 0/);
  assert.deepEqual(calls, [0, 1, 2]);
  assert.throws(() => loop.turn(0), /failure 1/);
  loop.turn(0);
});

Deno.test("a closed scope takes nothing new", () => {
  using event = new EventFd("test");
  const { loop, scope } = open();
  using _loop = loop;
  const timer = scope.timer(never);
  const operation = scope.operation(never);
  const poll = scope.poll(event.raw, POLLIN, never);
  timer.set(1);
  poll.arm();
  event.signal();
  scope.event(event.raw, never);
  scope.close();
  scope.close();
  loop.turn(5);
  for (
    const wish of [
      () => scope.event(event.raw, never),
      () => scope.poll(event.raw, POLLIN, never),
      () => scope.timer(never),
      () => scope.operation(never),
      () => timer.set(1),
      () => poll.arm(),
      () => operation.fdatasync(1),
    ]
  ) assert.throws(wish, /is closed/);
});

Deno.test("a callback can close its own scope, and others that are just about to be called", () => {
  using loop = new IoLoop();
  using event = new EventFd("test");
  event.signal();
  const scopes = [loop.scope(never), loop.scope(never)];
  let calls = 0;
  for (const scope of scopes) {
    scope.event(event.raw, () => {
      calls++;
      for (const each of scopes) each.close();
    });
    scope.timer(never).set(0);
  }
  loop.turn();
  loop.turn(5);
  assert.equal(calls, 1);
});

Deno.test("the loop is not turned, disposed of or used where it can't be", () => {
  const { loop, scope } = open();
  const errors: string[] = [];
  const note = (wish: () => void) => {
    try {
      wish();
    } catch (error) {
      errors.push((error as Error).message);
    }
  };
  scope.timer(() => {
    note(() => loop.turn());
    note(() => loop[Symbol.dispose]());
  }).set(0);
  while (errors.length < 2) loop.turn();
  loop[Symbol.dispose]();
  loop[Symbol.dispose]();
  note(() => loop.turn());
  note(() => loop.scope(never));
  note(() => scope.timer(never));
  scope.close();
  assert.deepEqual(errors, [
    "a callback can't turn the event loop that called it",
    "a callback can't dispose of the event loop that called it",
    "the event loop was disposed of",
    "the event loop was disposed of",
    "this part of the event loop is closed",
  ]);
});

Deno.test("a loop serves a Worker as well", async () => {
  const worker = await startWorker();
  using event = new EventFd("test");
  event.signal();
  const job: Job = { kind: "loop", eventfd: event.raw };
  worker.postMessage(job);
  assert.equal(await answer(worker), "event timer");
  worker.terminate();
});

Deno.test("a hundred loops leave no descriptor and no mapping", () => {
  const rings = () => {
    const links = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
      try {
        return Deno.readLinkSync(`/proc/self/fd/${name}`);
      } catch {
        return "closed meanwhile";
      }
    });
    return links.filter((link) => /io_uring|eventfd/.test(link)).length;
  };
  const maps = () => Deno.readTextFileSync("/proc/self/maps").match(/io_uring/g)?.length ?? 0;
  const before = [rings(), liveMappings(), maps()];
  {
    using loop = new IoLoop();
    loop.turn(0);
    assert.deepEqual([rings(), liveMappings(), maps()], [
      before[0] + 1,
      before[1] + 2,
      before[2] + 2,
    ]);
  }
  for (let i = 0; i < 100; i++) {
    using event = new EventFd("test");
    const { loop, scope } = open(8);
    using _loop = loop;
    scope.event(event.raw, () => {});
    scope.poll(event.raw, POLLIN, never).arm();
    scope.timer(never).set(1000);
    event.signal();
    if (i % 2 === 0) scope.poll(event.raw, POLLOUT, never);
  }
  assert.deepEqual([rings(), liveMappings(), maps()], before);
});

Deno.test("a ring that the kernel refuses is a typed error", () => {
  const before = openDescriptors();
  assert.throws(
    () => new IoLoop({ setups: [0x4000_0000, 0x8000_0000] }),
    (error: unknown) => error instanceof SysError && error.code === "EINVAL",
  );
  assert.throws(() => new IoLoop({ entries: 0 }), SysError);
  assert.equal(openDescriptors(), before);
  using _fallback = new IoLoop({ setups: [0x4000_0000, 0] });
  using _fd = Fd.open("/dev/null", 0);
});
