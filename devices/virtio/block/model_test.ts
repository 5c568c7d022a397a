import assert from "node:assert/strict";
import fc from "fast-check";
import { LAYOUTS } from "../testing/driver.ts";
import { DeviceRig } from "../testing/rig.ts";
import {
  answer,
  makeImage,
  pattern,
  rangesOf,
  readOf,
  withDirectory,
  writeOf,
} from "./block_test_rig.ts";
import { block } from "./mod.ts";
import { RequestStatus, RequestType } from "./protocol.ts";

const SECTORS = 256;
const { ok, ioError } = RequestStatus;

const range = { sector: fc.nat(SECTORS + 4), sectors: fc.nat(40) };
const step = fc.oneof(
  fc.record({ kind: fc.constant("read" as const), ...range }),
  fc.record({ kind: fc.constant("write" as const), ...range, seed: fc.nat(255) }),
  fc.record({ kind: fc.constant("zero" as const), ...range, unmap: fc.boolean() }),
  fc.record({ kind: fc.constant("discard" as const), ...range }),
  fc.record({ kind: fc.constant("stop" as const) }),
  fc.record({ kind: fc.constant("writeback" as const), on: fc.boolean() }),
);

Deno.test("any sequence of requests leaves the disk as a simple model has it", async () => {
  const cache = fc.constantFrom("writeback", "writethrough", "direct");
  const cases = fc.tuple(fc.constantFrom(...LAYOUTS), cache, fc.array(step, { maxLength: 40 }));
  await fc.assert(
    fc.asyncProperty(cases, async ([layout, cache, steps]) => {
      await withDirectory(async (directory) => {
        const path = await makeImage(directory, SECTORS * 512);
        const model = new Uint8Array(SECTORS * 512);
        await using rig = DeviceRig.create(block, { path, cache });
        rig.start(layout);
        for (const [i, step] of steps.entries()) {
          if (step.kind === "stop") {
            rig.stop();
            rig.resume();
            continue;
          }
          if (step.kind === "writeback") {
            rig.writeConfig(32, Uint8Array.of(step.on ? 1 : 0));
            continue;
          }
          const { sector, sectors } = step;
          const start = sector * 512;
          const end = start + sectors * 512;
          const expected = sector + sectors <= SECTORS ? ok : ioError;
          const what = `step ${i}: ${JSON.stringify(step)}`;
          const ask = (buffer: Parameters<typeof rig.request>[1]) => answer(rig.request(0, buffer));
          if (step.kind === "read") {
            const { status, data } = ask(readOf(sector, end - start));
            assert.equal(status, expected, what);
            if (status === ok) assert.deepEqual(data, model.slice(start, end), what);
          } else if (step.kind === "write") {
            const data = pattern(end - start, step.seed);
            assert.equal(ask(writeOf(sector, data)).status, expected, what);
            if (expected === ok) model.set(data, start);
          } else {
            const zero = step.kind === "zero";
            const flags = zero && step.unmap ? 1 : 0;
            const type = zero ? RequestType.writeZeroes : RequestType.discard;
            const { status } = ask(rangesOf(type, [{ sector, sectors, flags }]));
            assert.equal(status, expected, what);
            // Of a discard, the blocks that lie inside: a file's holes are zeros.
            const from = zero ? start : Math.ceil(start / 4096) * 4096;
            const to = zero ? end : Math.floor(end / 4096) * 4096;
            if (status === ok && from < to) model.fill(0, from, to);
          }
        }
        assert.deepEqual(await Deno.readFile(path), model);
      });
    }),
    { numRuns: 60 },
  );
});
