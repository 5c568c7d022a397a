/**
 * A disk whose faults are tested: what it holds at first, and what does not come back.
 * @module
 */
import assert from "node:assert/strict";
import { DeviceRig } from "../testing/rig.ts";
import { makeImage, pattern, withDirectory } from "./block_test_rig.ts";
import { block, type BlockBackend } from "./mod.ts";

export const SECTORS = 2048;
/** The disk's bytes. */
export const SIZE: number = SECTORS * 512;
/** Long enough for whatever was to happen at once. */
export const MOMENT_MS = 60;

export type Rig = DeviceRig<BlockBackend>;

/** Turns the loop for a moment, in which nothing more is to come back than has already. */
export function nothingComes(rig: Rig, queue = 0): void {
  const before = rig.collect(queue).length;
  const end = performance.now() + MOMENT_MS;
  rig.run(() => performance.now() > end);
  assert.equal(rig.collect(queue).length, before, "nothing comes back");
}

/** Runs a test with a disk whose sectors hold `pattern(SIZE, 1)`. */
export async function withDisk(
  run: (rig: Rig, path: string) => void | Promise<void>,
  options: Record<string, unknown> = {},
): Promise<void> {
  await withDirectory(async (directory) => {
    const path = await makeImage(directory, SIZE);
    await Deno.writeFile(path, pattern(SIZE, 1));
    await using rig = DeviceRig.create(block, { path, ...options });
    await run(rig, path);
  });
}

const AT_FIRST = pattern(SIZE, 1);

/** What a part of the disk holds at first. */
export function was(sector: number, bytes: number): Uint8Array<ArrayBuffer> {
  return AT_FIRST.slice(sector * 512, sector * 512 + bytes);
}
