/**
 * Pausing, resuming and stopping a machine from outside, whatever its guest is doing.
 *
 * The kick that takes a vCPU out of its guest can be lost only in a window of a few instructions, so it
 * takes many tries with the request at different moments to see that it is not.
 * @module
 */
import assert from "node:assert/strict";
import { PATIENCE_MS, payloadMachine, printed, testDirect } from "./payload_machine.ts";
import type { Machine } from "../../src/machine/mod.ts";

/** Where the payload counts. */
const COUNTER = 0x7000;
const KICKS = 1000;
/** Every so often it is watched that a paused guest stands still. */
const WATCHED = 100;
/** What it takes a parked vCPU to be back in its guest, generously. */
const WAKING_US = 300;

/** What the guest does, and whether it executes anything meanwhile. */
const states = [
  ["spins at CPL 0 with interrupts off", "CPL0", true],
  ["spins at CPL 3", "CPL3", true],
  ["halts with interrupts off", "HALT", false],
  ["halts with interrupts on", "IDLE", false],
  ["writes to a port again and again", "PORTS", true],
  ["reads an address that nobody claims again and again", "DEVICES", true],
] as const;

function busy(state: string, cpus = 1): Promise<Machine> {
  return payloadMachine("busy", { cpus }, { defines: { COUNTER, [state]: 1 } });
}

/** What comes of a promise that must not take long. A machine that hangs is named, not waited for. */
async function soon<T>(promise: Promise<T>, what: () => string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what()} did not come`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Keeps this isolate busy for some microseconds, which a timer can't do. */
function linger(microseconds: number): void {
  const end = performance.now() + microseconds / 1000;
  while (performance.now() < end);
}

/** Waits until the guest has counted on from `count`. */
function countsOn(machine: Machine, count: bigint): void {
  const end = performance.now() + PATIENCE_MS;
  while (machine.memory.readU64(COUNTER) === count) {
    assert(performance.now() < end, `the guest stands still at ${count} after a resume`);
  }
}

/** Sees for itself that a paused guest does not count. */
async function standsStill(machine: Machine): Promise<bigint> {
  const count = machine.memory.readU64(COUNTER);
  await new Promise((resolve) => setTimeout(resolve, 2));
  assert.equal(machine.memory.readU64(COUNTER), count, "the guest runs while it is paused");
  return count;
}

/**
 * Pauses and resumes a running machine {@linkcode KICKS} times, at moments that differ.
 *
 * A pause that comes before the vCPU has woken from the last one proves nothing. So a guest that counts is
 * waited for, and one that does not is given the time that waking takes.
 */
async function kick(machine: Machine, counts: boolean): Promise<void> {
  let count = -1n;
  for (let i = 1; i <= KICKS; i++) {
    if (counts) countsOn(machine, count);
    else linger(WAKING_US);
    linger(i * 37 % 101);
    await soon(machine.pause(), () => `pause ${i} of ${KICKS}`);
    if (i % WATCHED === 0) await standsStill(machine);
    count = machine.memory.readU64(COUNTER);
    machine.resume();
  }
  if (counts) countsOn(machine, count);
}

for (const [doing, state, counts] of states) {
  testDirect(
    `a guest that ${doing} obeys each of ${KICKS} pauses, resumes and the stop`,
    async () => {
      await using machine = await busy(state);
      machine.start();
      await printed(machine, "ready\n");
      await kick(machine, counts);
      await soon(machine.stop(), () => "the stop");
      assert.deepEqual(await machine.ended, { kind: "stopped" });
    },
  );
}

testDirect(
  `processors that wait for their start are paused and stopped with the others`,
  async () => {
    await using machine = await busy("CPL0", 4);
    machine.start();
    await printed(machine, "ready\n");
    await kick(machine, true);
    await soon(machine.stop(), () => "the stop");
    assert.deepEqual(await machine.ended, { kind: "stopped" });
  },
);

testDirect("a guest whose output nobody reads can be paused, resumed and stopped", async () => {
  await using machine = await busy("FLOOD");
  machine.start();
  await printed(machine, "ready\n");
  countsOn(machine, 0n);
  // Once nothing is counted any more, the guest waits inside its write.
  let count = -1n;
  while (machine.memory.readU64(COUNTER) !== count) {
    count = machine.memory.readU64(COUNTER);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  await soon(machine.pause(), () => "the pause");
  machine.resume();
  await soon(machine.stop(), () => "the stop");
  assert.deepEqual(await machine.ended, { kind: "stopped" });
});

testDirect("a machine that was never started stops, and executes nothing", async () => {
  await using machine = await busy("CPL0");
  await soon(machine.pause(), () => "the pause");
  assert.equal(await standsStill(machine), 0n);
  await soon(machine.stop(), () => "the stop");
  assert.deepEqual(await machine.ended, { kind: "stopped" });
});

testDirect("a paused machine stops without another step", async () => {
  await using machine = await busy("CPL3");
  machine.start();
  await printed(machine, "ready\n");
  await soon(machine.pause(), () => "the pause");
  const count = await standsStill(machine);
  await soon(machine.stop(), () => "the stop");
  assert.equal(machine.memory.readU64(COUNTER), count);
});

testDirect(
  "a second pause, resume or stop changes nothing, and a second start is refused",
  async () => {
    await using machine = await busy("PORTS");
    assert.throws(() => machine.resume(), /has not been started/);
    machine.start();
    assert.throws(() => machine.start(), /started already/);
    await printed(machine, "ready\n");
    await soon(Promise.all([machine.pause(), machine.pause()]), () => "both pauses");
    const count = await standsStill(machine);
    machine.resume();
    machine.resume();
    countsOn(machine, count);
    await soon(Promise.all([machine.stop(), machine.stop()]), () => "both stops");
    assert.deepEqual(await machine.ended, { kind: "stopped" });
  },
);

testDirect("exits are counted by vCPU and name", async () => {
  await using machine = await busy("PORTS", 2);
  assert.deepEqual(machine.exits.map((counts) => Object.keys(counts)), [[], []]);
  machine.start();
  await printed(machine, "ready\n");
  countsOn(machine, 0n);
  await soon(machine.pause(), () => "the pause");
  const [first, second] = machine.exits;
  assert.deepEqual(Object.keys(first), ["KVM_EXIT_IO"]);
  assert.deepEqual(Object.keys(second), [], "the second processor was never started");
  // Two exits for each character, and one each time round, which may not have been counted yet.
  const rounds = first.KVM_EXIT_IO - 2 * "ready\n".length;
  const count = Number(machine.memory.readU64(COUNTER));
  assert(rounds === count || rounds === count + 1, `${rounds} exits, ${count} counted`);
});
