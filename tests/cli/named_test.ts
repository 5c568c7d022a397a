/**
 * A named machine over its life: what it tells and allows when, and how it is stopped.
 * @module
 */
import assert from "node:assert/strict";
import { ask } from "../../src/cli/control/client.ts";
import { Places } from "../../src/cli/control/places.ts";
import { ControlError } from "../../src/cli/control/protocol.ts";
import { type GuestAgent, NamedMachine } from "../../src/cli/run/named.ts";
import { until } from "../../src/cli/testing.ts";
import { parseConfig } from "../../src/machine/config.ts";
import { FakeMachine } from "./fakes.ts";

/** An agent that does what the test says. */
class FakeAgent implements GuestAgent {
  readonly events: string[] = [];
  onPowerOff: () => Promise<void> = () => Promise.resolve();

  begin(): void {
    this.events.push("begin");
  }

  end(): void {
    this.events.push("end");
  }

  spawn(): Promise<never> {
    return Promise.reject(new ControlError("not-found", "no such command"));
  }

  powerOff(): Promise<void> {
    this.events.push("power off");
    return this.onPowerOff();
  }
}

interface Rig {
  readonly places: Places;
  readonly named: NamedMachine;
  /** How often the end of the run was asked for. */
  readonly ends: () => number;
  /** Ends the run. */
  over(): Promise<void>;
}

async function withNamed(agent: FakeAgent | undefined, test: (rig: Rig) => Promise<void>) {
  const runtime = await Deno.makeTempDir();
  try {
    const uid = Deno.uid() ?? 0;
    const places = Places.open({ runtime, uid, run: "/none", temporary: "/none" });
    let ends = 0;
    const named = await NamedMachine.open({
      name: "web",
      config: parseConfig({ kernel: "vmlinuz", cpus: 2 }),
      agent,
      type: () => Promise.resolve(),
      end: () => void ends++,
      milliseconds: () => 1234.5,
    }, places);
    try {
      await test({ places, named, ends: () => ends, over: () => named[Symbol.asyncDispose]() });
    } finally {
      await named[Symbol.asyncDispose]();
    }
  } finally {
    await Deno.remove(runtime, { recursive: true });
  }
}

const state = async (places: Places) => (await ask(places, "web", { do: "info" })).state;

Deno.test("a named machine is starting, running, paused, and starting again after a reset", () =>
  withNamed(new FakeAgent(), async ({ places, named }) => {
    assert.equal(await state(places), "starting");
    for (const request of [{ do: "pause" }, { do: "resume" }] as const) {
      await assert.rejects(ask(places, "web", request), /web is starting/);
    }
    const exec = { do: "exec", command: ["a"], env: [], stdin: false } as const;
    await assert.rejects(ask(places, "web", { ...exec, command: ["a"], env: [] }), /is starting/);
    assert.deepEqual((await ask(places, "web", { do: "stats" })).exits, []);
    const machine = new FakeMachine();
    named.machine = machine;
    assert.equal(await state(places), "running");
    await ask(places, "web", { do: "pause" });
    assert.deepEqual([await state(places), machine.paused], ["paused", true]);
    await assert.rejects(
      ask(places, "web", { ...exec, command: ["a"], env: [] }),
      /is paused \(denovisor resume web\)/,
    );
    await ask(places, "web", { do: "resume" });
    assert.deepEqual([await state(places), machine.paused], ["running", false]);
    const { exits, devices } = await ask(places, "web", { do: "stats" });
    assert.deepEqual([exits, devices], [machine.exits, { disk0: { reads: 5 } }]);
    named.machine = undefined;
    assert.equal(await state(places), "starting");
    named.machine = new FakeMachine();
    assert.equal(await state(places), "running");
  }));

Deno.test("a guest with an agent is asked to power off, also when it is paused", async () => {
  const agent = new FakeAgent();
  await withNamed(agent, async ({ places, named, ends, over }) => {
    const machine = new FakeMachine();
    named.machine = machine;
    await ask(places, "web", { do: "pause" });
    agent.onPowerOff = () => {
      void over();
      return Promise.resolve();
    };
    const how = await ask(places, "web", { do: "stop", force: false, timeout: 5000 });
    assert.deepEqual([how, ends(), machine.paused], [{ how: "powered-off" }, 0, false]);
  });
  assert(agent.events.includes("power off"));
});

Deno.test("a guest that does not power off in time, or can't be asked, is stopped", async () => {
  for (
    const onPowerOff of [
      () => new Promise<void>(() => {}),
      // It has understood, and does nothing.
      () => Promise.resolve(),
      () => Promise.reject(new ControlError("no-agent", "gone")),
    ]
  ) {
    const agent = new FakeAgent();
    agent.onPowerOff = onPowerOff;
    await withNamed(agent, async ({ places, named, ends, over }) => {
      named.machine = new FakeMachine();
      const stopping = ask(places, "web", { do: "stop", force: false, timeout: 50 });
      await until(() => ends() === 1, "the end is asked for");
      await over();
      assert.deepEqual(await stopping, { how: "stopped" });
    });
  }
});

Deno.test("a guest is not asked by force, without an agent, or before it runs", async () => {
  for (
    const [agent, force, runs] of [
      [new FakeAgent(), true, true],
      [undefined, false, true],
      [new FakeAgent(), false, false],
    ] as const
  ) {
    await withNamed(agent, async ({ places, named, ends, over }) => {
      if (runs) named.machine = new FakeMachine();
      const stopping = ask(places, "web", { do: "stop", force, timeout: 60_000 });
      await until(() => ends() === 1, "the end is asked for");
      await over();
      assert.deepEqual(await stopping, { how: "stopped" });
    });
    assert(!agent?.events.includes("power off"));
  }
});

Deno.test("the agent is told of each life of its guest", async () => {
  const agent = new FakeAgent();
  await withNamed(agent, async ({ named }) => {
    for (let i = 0; i < 2; i++) {
      named.begin();
      named.machine = new FakeMachine();
      named.machine = undefined;
    }
    assert.deepEqual(agent.events, ["begin", "end", "begin", "end"]);
    await Promise.resolve();
  });
});
