/**
 * A limit of machines at once, for all processes of a user on a host: `deno test --parallel` runs one for each CPU.
 * @module
 */
import { join } from "node:path";
import { OwnFolder, type Surroundings, surroundings } from "../host/own_folder.ts";

/** How often it's tried again to get a slot, in milliseconds. */
const INTERVAL = 50;

/** How many machines tests run at once, where DENOVISOR_TEST_MACHINES does not say: two for each CPU. */
function defaultSlots(): number {
  return 2 * navigator.hardwareConcurrency;
}

/** The number in DENOVISOR_TEST_MACHINES. @throws {TypeError} for what is no number above 0 */
function slotCount(): number {
  const text = Deno.env.get("DENOVISOR_TEST_MACHINES");
  if (text === undefined || text === "") return defaultSlots();
  const count = Number(text);
  if (Number.isInteger(count) && count > 0) return count;
  throw new TypeError(`DENOVISOR_TEST_MACHINES is a number of machines (got ${text})`);
}

/**
 * The folder of the slots, which other users can't get in the way of.
 *
 * @throws {FolderError} it can't be made, or is not safe
 */
export function slotFolder(around: Surroundings = surroundings()): string {
  const folder = new OwnFolder("denovisor-slots", "the folder of the machines' slots", around);
  folder.ensure();
  return folder.path;
}

/**
 * Takes one of the slots, when there is one. The end of this process gives it back, too.
 *
 * @param folder where the slots are: files that are locked while a machine runs
 * @param signal gives the waiting up
 * @throws {FolderError} the folder of the slots is not safe
 */
export async function takeSlot(
  signal?: AbortSignal,
  folder: string = slotFolder(),
  count: number = slotCount(),
): Promise<Disposable> {
  for (;;) {
    for (let slot = 0; slot < count; slot++) {
      signal?.throwIfAborted();
      const file = await Deno.open(join(folder, String(slot)), { create: true, write: true });
      if (file.tryLockSync(true)) return { [Symbol.dispose]: () => file.close() };
      file.close();
    }
    await new Promise((resolve) => setTimeout(resolve, INTERVAL));
  }
}
