/**
 * Guests with several processors, and guests that are paused.
 * @module
 */
import { expect, expectEqual, expectMatch } from "../expect.ts";
import { expectEnd, type GuestMachine, type Judge, outcome, printed, running } from "../guest.ts";

/** The status of a guest that has started all its processors. */
const ALL_ONLINE = 20;

/** The APIC ids that the processors print, in the order of their coming. */
export async function processorsOnline(machine: GuestMachine): Promise<number[]> {
  const { end, console } = await outcome(machine);
  expectEnd(end, { kind: "exit", status: ALL_ONLINE });
  expectMatch(console, /\nall online\n$/, "what was printed");
  return [...console.matchAll(/^cpu ([0-9a-f]{8})$/gm)].map(([, id]) => parseInt(id, 16));
}

/** Each of so many processors comes, with an id of its own, in any order. */
export function allProcessors(cpus: number): Judge {
  return async (machine) => {
    const ids = (await processorsOnline(machine)).sort((a, b) => a - b);
    expectEqual(ids, Array.from({ length: cpus }, (_, id) => id), "the processors' APIC ids");
  };
}

/** How long a paused guest is watched, in milliseconds. */
const WATCHED_MS = 2;

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * A guest that counts in memory for ever counts on after each resume, stands still in each pause, and is stopped.
 *
 * @param counter where it counts: a guest physical address
 */
export function pausesAndResumes(counter: number, pauses: number): Judge {
  return async (machine) => {
    const isRunning = running(machine);
    const count = () => machine.memory.readU64(counter);
    await printed(machine, "ready\n");
    let last = -1n;
    for (let i = 0; i < pauses; i++) {
      while (count() === last) {
        expect(isRunning(), `the guest stands still at ${last} after ${i} pauses and resumes`);
        await sleep(1);
      }
      await machine.pause();
      last = count();
      await sleep(WATCHED_MS);
      expectEqual(`${count()}`, `${last}`, "the count of a paused guest");
      machine.resume();
    }
    expect(isRunning(), "the guest ended by itself");
    await machine.stop();
    expectEnd(await machine.ended, { kind: "stopped" });
  };
}
