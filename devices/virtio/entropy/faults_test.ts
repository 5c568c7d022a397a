/**
 * What a source of entropy does under each of its faults.
 * @module
 */
import assert from "node:assert/strict";
import { forEachLayout } from "../testing/driver.ts";
import { fuzzDevice } from "../testing/fuzz.ts";
import { DeviceRig } from "../testing/rig.ts";
import { entropy, ENTROPY_FAULT_ACTIONS } from "./mod.ts";

/** Turns the loop for a moment. @returns how many buffers have come back */
function moment(rig: DeviceRig<unknown>): number {
  const end = performance.now() + 60;
  rig.run(() => performance.now() > end);
  return rig.collect(0).length;
}

forEachLayout((layout) => {
  Deno.test(`${layout.name}: a source runs dry, for a pause and a reset too, until it is switched off`, async () => {
    await using rig = DeviceRig.create(entropy, {});
    rig.start(layout);
    rig.command("faults", [{ action: "dry", after: 2 }]);
    for (let i = 0; i < 4; i++) rig.offer(0, { writable: [16] });
    assert.equal(moment(rig), 2);
    rig.stop();
    rig.resume();
    assert.equal(moment(rig), 2, "nothing changes at a pause");
    rig.reset();
    rig.start(layout);
    rig.completed[0].length = 0;
    for (let i = 0; i < 3; i++) rig.offer(0, { writable: [16] });
    assert.equal(moment(rig), 0);
    assert.deepEqual(rig.command("faults", []), []);
    rig.run(() => rig.collect(0).length === 3);
    assert.equal(rig.metrics.read().faults_dry, 1);
  });

  Deno.test(`${layout.name}: a source gives one byte again and again, to some`, async () => {
    await using rig = DeviceRig.create(entropy, {});
    rig.start(layout);
    rig.command("faults", [
      { action: "constant", count: 1 },
      { action: "constant", byte: 0xa5, count: 2 },
    ]);
    const read = () => rig.request(0, { writable: [8, 8] }).bytes;
    assert.deepEqual([...read()], Array(16).fill(0));
    assert.deepEqual([...read()], Array(16).fill(0xa5));
    assert.deepEqual([...read()], Array(16).fill(0xa5));
    assert(new Set(read()).size > 2);
    assert.deepEqual(rig.command("faults"), [
      { action: "constant", count: 1, seen: 4, hits: 1 },
      { action: "constant", byte: 0xa5, count: 2, seen: 3, hits: 2 },
    ]);
  });

  Deno.test(`${layout.name}: a source takes its time for each buffer`, async () => {
    await using rig = DeviceRig.create(entropy, { faults: [{ action: "delay", ms: 40 }] });
    rig.start(layout);
    const began = performance.now();
    for (let i = 0; i < 3; i++) rig.offer(0, { writable: [16] });
    rig.run(() => rig.collect(0).length === 3);
    const took = performance.now() - began;
    assert(took > 117 && took < 2000, `3 buffers took ${took} ms`);
    rig.command("faults", [{ action: "delay", ms: 3_000_000 }]);
    rig.offer(0, { writable: [16] });
    assert.equal(moment(rig), 3);
    rig.command("faults", []);
    rig.run(() => rig.collect(0).length === 4);
  });
});

Deno.test("rules that make no sense are refused, each with the remedy", async () => {
  await using rig = DeviceRig.create(entropy, {});
  const refused = (rule: unknown, problem: RegExp) =>
    assert.throws(() => rig.command("faults", [rule]), problem);
  refused({ action: "wet" }, /action: it is one of dry, constant, delay \(got "wet"\)/);
  refused({ action: "dry", byte: 1 }, /byte: it is for constant/);
  refused({ action: "dry", ms: 1 }, /ms: it is for delay/);
  refused({ action: "dry", count: 1 }, /stays so until other rules/);
  refused({ action: "delay" }, /ms: a delay needs it/);
  refused({ action: "constant", byte: 256 }, /byte: it is a whole number from 0 to 255/);
  assert.throws(() => rig.command("fail"), /it has faults and limits/);
});

Deno.test("a faulty entropy device stands hostile drivers", async () => {
  await fuzzDevice({
    module: entropy,
    options: {},
    requestGenerator: (random) => ({ queue: 0, writable: [random.length(100_000)] }),
    hostEvent(random, rig) {
      const action = random.pick(ENTROPY_FAULT_ACTIONS);
      const rule = { action, ms: action === "delay" ? random.below(3) : undefined, rate: 0.2 };
      rig.command("faults", random.oneIn(2) ? [] : [rule]);
    },
  });
});
