/**
 * Disks whose faults come and go at random: each request is answered once, and what no rule is for is as it should be.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { LAYOUTS } from "../testing/driver.ts";
import { DeviceRig } from "../testing/rig.ts";
import { answer, makeImage, pattern, readOf, withDirectory, writeOf } from "./block_test_rig.ts";
import { block, BLOCK_FAULT_ACTIONS, BLOCK_LIES, type BlockFault } from "./mod.ts";

/** Rules are for sectors up to here; what is behind them has no faults. */
const FAULTY = 64;
const SECTORS = 128;
/** The sectors of each request: one that begins before {@linkcode FAULTY} ends before what is sound. */
const LENGTH = 8;

const rule: fc.Arbitrary<BlockFault> = fc.record({
  action: fc.constantFrom(...BLOCK_FAULT_ACTIONS),
  sectors: fc.tuple(fc.nat(FAULTY - 1), fc.nat(FAULTY - 1)),
  rate: fc.constantFrom(0.3, 1),
  after: fc.nat(2),
  seed: fc.nat(1000),
  data: fc.constantFrom(...BLOCK_LIES),
  keep: fc.nat(6),
}).map(({ action, sectors: [a, b], rate, after, seed, data, keep }) => ({
  action,
  sectors: [Math.min(a, b), Math.max(a, b)],
  rate,
  after,
  seed,
  ...action === "delay" ? { ms: keep } : {},
  ...action === "lie" ? { data } : {},
  ...action === "short" || action === "torn" ? { keep } : {},
}));

const sector = fc.oneof(
  fc.nat(FAULTY - 1),
  fc.integer({ min: FAULTY + LENGTH, max: SECTORS - LENGTH }),
);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("read"), sector }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("write"), sector }) },
  fc.record({ kind: fc.constant("rules"), rules: fc.array(rule, { maxLength: 3 }) }),
  fc.record({ kind: fc.constant("pause") }),
  fc.record({ kind: fc.constant("turn") }),
);

Deno.test("with any faults on and off every request is answered once, and sound sectors stay sound", async () => {
  const cases = fc.tuple(fc.constantFrom(...LAYOUTS), fc.array(step, { maxLength: 40 }));
  await fc.assert(
    fc.asyncProperty(cases, async ([layout, steps]) => {
      await withDirectory(async (directory) => {
        const path = await makeImage(directory, SECTORS * 512);
        const sound = new Uint8Array(SECTORS * 512);
        await using rig = DeviceRig.create(block, { path });
        rig.start(layout);
        const offered = new Set<number>();
        const answered: number[] = [];
        const collect = () => {
          for (const { token } of rig.collect(0).splice(0)) answered.push(token);
        };
        for (const [i, step] of steps.entries()) {
          if ("rules" in step) {
            rig.command("faults", step.rules);
          } else if ("sector" in step) {
            const { kind, sector } = step;
            const isSound = sector >= FAULTY;
            const data = pattern(LENGTH * 512, i);
            const buffer = kind === "read" ? readOf(sector, LENGTH * 512) : writeOf(sector, data);
            if (!isSound) {
              if (rig.driver.queue(0).free < 8) continue;
              offered.add(rig.offer(0, buffer));
              continue;
            }
            const done = answer(rig.request(0, buffer));
            assert.equal(done.status, 0);
            if (kind === "write") sound.set(data, sector * 512);
            else assert.deepEqual(done.data, sound.slice(sector * 512, (sector + LENGTH) * 512));
          } else if (step.kind === "pause") {
            rig.stop();
            collect();
            assert.equal(answered.length, offered.size, "nothing is under way in a pause");
            rig.resume();
          } else {
            rig.loop.turn(0);
          }
          collect();
        }
        rig.command("faults", []);
        rig.run(() => (collect(), answered.length >= offered.size));
        assert.deepEqual(new Set(answered), offered);
        assert.equal(answered.length, offered.size, "each once");
        const image = await Deno.readFile(path);
        const last = (FAULTY + LENGTH) * 512;
        assert.deepEqual(image.subarray(last), sound.subarray(last));
      });
    }),
    { numRuns: 60 },
  );
});
