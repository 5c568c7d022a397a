/**
 * Several machines in one process.
 * @module
 */
import assert from "node:assert/strict";
import { outcome, payloadMachine, printed, runPayload, testDirect } from "./payload_machine.ts";

const MACHINES = 8;
const indices = Array.from({ length: MACHINES }, (_, i) => i);

testDirect(`${MACHINES} machines at once end each with its own status`, async () => {
  const ends = await Promise.all(indices.map(async (VALUE) => {
    const { end } = await runPayload("power", {}, { defines: { PORT: 0xf4, VALUE } });
    return end;
  }));
  assert.deepEqual(ends, indices.map((status) => ({ kind: "exit", status })));
});

testDirect(
  `${MACHINES} machines at once have each its own console, and a pause of one leaves the others alone`,
  async () => {
    await using stack = new AsyncDisposableStack();
    const machines = await Promise.all(
      indices.map(async () =>
        stack.use(await payloadMachine("echo", {}, { defines: { INTERRUPTS: 1 } }))
      ),
    );
    for (const machine of machines) machine.start();
    await Promise.all(machines.map((machine) => printed(machine, "ready\n")));
    const [paused, ...others] = machines;
    await paused.pause();
    const say = (i: number) =>
      machines[i].console.write(new TextEncoder().encode(`machine ${i}\0`));
    const consoles = await Promise.all(others.map(async (machine, i) => {
      await say(i + 1);
      return (await outcome(machine)).console;
    }));
    assert.deepEqual(consoles, indices.slice(1).map((i) => `machine ${i}`));
    const said = say(0);
    paused.resume();
    assert.equal((await outcome(paused)).console, "machine 0");
    await said;
  },
);
