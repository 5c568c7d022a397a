import assert from "node:assert/strict";
import { fuzzDevice } from "../testing/fuzz.ts";
import type { Random } from "../testing/random.ts";
import { header, makeImage, rangesOf, withDirectory } from "./block_test_rig.ts";
import { block, BLOCK_FAULT_ACTIONS, BLOCK_LIES, type BlockFault } from "./mod.ts";
import { RequestType } from "./protocol.ts";

const SECTORS = 512;

/** A request of any type, most often one that can be carried out. */
function request(random: Random) {
  const queue = random.below(2);
  const sector = random.oneIn(16) ? random.edge() : random.below(SECTORS);
  const length = random.oneIn(8) ? random.length(20_000) : 512 * random.below(20);
  switch (random.below(8)) {
    case 0:
    case 1:
      return { queue, readable: [header(RequestType.in, sector)], writable: [length, 1] };
    case 2:
    case 3: {
      const readable = [header(RequestType.out, sector), random.bytes(length)];
      return { queue, readable, writable: [1] };
    }
    case 4:
      return { queue, readable: [header(RequestType.flush, 0)], writable: [1] };
    case 5:
      return { queue, readable: [header(RequestType.getId, 0)], writable: [20, 1] };
    case 6: {
      const type = random.pick([RequestType.discard, RequestType.writeZeroes]);
      const segments = Array.from({ length: random.between(0, 4) }, () => ({
        sector: random.oneIn(8) ? random.edge() : random.below(SECTORS),
        sectors: random.oneIn(8) ? random.edge() : random.below(64),
        flags: random.oneIn(4) ? random.below(4) : 0,
      }));
      return { queue, ...rangesOf(type, segments) };
    }
    default:
      return { queue, readable: [header(random.u32(), sector)], writable: [random.length(64), 1] };
  }
}

/** A rule of any kind, for a few sectors or wherever. */
function faultRule(random: Random): BlockFault {
  const action = random.pick(BLOCK_FAULT_ACTIONS);
  const from = random.below(SECTORS);
  return {
    action,
    rate: random.pick([0.1, 0.5, 1]),
    sectors: random.oneIn(2) ? [from, from + random.below(64)] : undefined,
    ms: action === "delay" ? random.below(3) : undefined,
    data: action === "lie" ? random.pick(BLOCK_LIES) : undefined,
    keep: action === "short" || action === "torn" ? random.below(8) : undefined,
  };
}

for (
  const [name, options] of [
    ["a disk", {}],
    ["a disk past the cache", { cache: "direct" }],
    ["a disk with faults", { faults: [{ action: "error", rate: 0.1 }] }],
    ["a disk with limits", { iops: 1_000_000, bandwidth: "1G/s" }],
  ] as const
) {
  Deno.test(`${name} withstands hostile drivers`, async () => {
    await withDirectory(async (directory) => {
      const path = await makeImage(directory, SECTORS * 512);
      await using neighbour = await Deno.open(`${directory}/neighbour.img`, {
        ...{ create: true, write: true },
      });
      await neighbour.truncate(SECTORS * 512);
      await fuzzDevice({
        module: block,
        options: { path, queues: 2, ...options },
        neighbour: { path: `${directory}/neighbour.img` },
        requestGenerator: request,
        hostEvent(random, rig) {
          switch (random.below(name === "a disk with faults" ? 4 : 3)) {
            case 0:
              rig.command("limits", {
                iops: random.oneIn(2) ? null : random.between(10_000, 1_000_000),
              });
              break;
            case 3:
              rig.command("faults", random.oneIn(3) ? [] : [faultRule(random), faultRule(random)]);
              break;
            case 1:
              Deno.truncateSync(path, 512 * random.between(1, SECTORS));
              if (random.oneIn(2)) rig.command("resize");
              Deno.truncateSync(path, 512 * SECTORS);
              break;
            default:
              rig.command("resize");
          }
        },
      });
      assert(
        (await Deno.stat(path)).size <= SECTORS * 512 * 2,
        "the image stays as large as the disk",
      );
      assert.deepEqual(
        await Deno.readFile(`${directory}/neighbour.img`),
        new Uint8Array(SECTORS * 512),
      );
    });
  });
}
