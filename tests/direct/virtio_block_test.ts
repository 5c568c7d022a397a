/**
 * A guest with a disk of its own: what it writes is in the host's file.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { disk } from "../../src/cli/self_test/judges/devices.ts";
import { withFolder } from "../../src/host/testing.ts";
import { judgeNative, testNative } from "./native_machine.ts";

const SECTOR = 512;
const SECTORS = 16384;
/** As tests/payloads/native/block.c has them. */
const LARGE = 2048;
const MANY = 32 * 8;
const RESETS = 2;

/** What the program has written to a sector in its last lap. */
function pattern(sector: number): number[] {
  return Array.from({ length: SECTOR / 4 }, (_, i) => {
    return (Math.imul(sector, 2654435761) + Math.imul(i, 40503) + RESETS) >>> 0;
  });
}

async function image(path: string, bytes: number): Promise<string> {
  await Deno.writeFile(path, new Uint8Array());
  await Deno.truncate(path, bytes);
  return path;
}

for (const eventIdx of [0, 1]) {
  const suppression = eventIdx === 1 ? "by index" : "by flags";
  testNative(
    `a disk keeps what a guest writes to it, through resets, with notifications asked for ${suppression}`,
    (way) =>
      withFolder(async (folder) => {
        const path = await image(join(folder, "first.img"), SECTORS * SECTOR);
        const other = await image(join(folder, "second.img"), SECTOR);
        const disks = [{ path, serial: "a-serial-of-20-bytes" }, {
          path: other,
          ro: true,
          thread: "own" as const,
        }];
        const parameters = { event_idx: eventIdx, resets: RESETS };
        const told = { sectors: SECTORS, id: "a-serial-of-20-bytes" };
        const judge = disk(told, 1 + RESETS, "second disk is read-only\ndone\n");
        await judgeNative(judge, "block", way, { disks }, parameters);

        const bytes = await Deno.readFile(path);
        assert.equal(bytes.length, SECTORS * SECTOR);
        const words = new Uint32Array(bytes.buffer);
        const isWritten = (sector: number) =>
          sector === 0 || sector === SECTORS - 1 || (sector >= 8 && sector < 8 + LARGE + MANY);
        for (let sector = 0; sector < SECTORS; sector++) {
          const found = words.subarray(sector * SECTOR / 4, (sector + 1) * SECTOR / 4);
          if (isWritten(sector)) assert.deepEqual([...found], pattern(sector), `sector ${sector}`);
          else assert(found.every((word) => word === 0), `sector ${sector} was written to`);
        }
        assert.deepEqual(await Deno.readFile(other), new Uint8Array(SECTOR));
      }),
  );
}
