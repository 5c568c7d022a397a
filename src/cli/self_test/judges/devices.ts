/**
 * What guests have to see of the serial port, the clock and virtio devices, and what their machine has to see of them.
 * @module
 */
import { expect, expectEqual, expectMatch } from "../expect.ts";
import { expectEnd, type GuestMachine, type Judge, outcome, printed, type } from "../guest.ts";

/** What is typed comes back in order; a NUL ends the guest. */
export const echo: Judge = async (machine) => {
  await printed(machine, "ready\n");
  await type(machine, "hello ");
  await type(machine, "world\0");
  const { end, console } = await outcome(machine);
  expectEnd(end, { kind: "exit", status: 0 });
  expectEqual(console, "hello world", "what came back");
};

/** The status of a guest that has told the time. */
const TOLD = 70;

/** The real-time clock tells the host's time in UTC. */
export const clock: Judge = async (machine) => {
  const before = Math.floor(Date.now() / 1000) * 1000;
  const { end, console } = await outcome(machine);
  const after = Date.now();
  expectEnd(end, { kind: "exit", status: TOLD });
  expectMatch(console, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\n$/, "the time");
  const told = Date.parse(`${console.trim()}Z`);
  expect(told >= before && told <= after, `the clock tells ${console.trim()}, which is not now`);
};

/** Numbers of the program block.c. */
const LARGE = 2048;
const MANY = 32 * 8;
const SECTOR = 512;

/**
 * A guest that writes to a disk, reads all back, and compares it with what it wrote, through resets of the disk.
 *
 * @param disk.sectors the disk's size
 * @param disk.id what the disk calls itself
 * @param laps how often it does all
 * @param rest what it prints at the end
 */
export function disk(
  disk: { readonly sectors: number; readonly id: string },
  laps: number,
  rest = "done\n",
): Judge {
  return async (machine) => {
    const { end, console } = await outcome(machine);
    expectEnd(end, { kind: "exit", status: 0 });
    const ids = `id=${disk.id}\n`.repeat(laps);
    expectEqual(console, `sectors=${disk.sectors}\n${ids}${rest}`, "what was printed");
    const metrics = machine.devices.get("disk0")?.metrics;
    // The first and the last sector, the large request and the many: the guest's, as the device has counted them.
    const written = laps * (1 + LARGE + 1 + MANY) * SECTOR;
    expectEqual(metrics?.written_bytes, written, "what the disk has counted as written");
    expectEqual(metrics?.flushes, laps, "the number of flushes");
  };
}

/** What the program console.c prints in pieces that are larger than a ring of the host's. */
const MUCH = Array.from({ length: 64 }, (_, i) => i === 63 ? "\n" : String.fromCharCode(48 + i))
  .join("").repeat(16 * 8192 / 64);

/** A guest that prints through a virtio console, in large pieces too, and gives back the lines that are typed. */
export async function virtioConsole(machine: GuestMachine): Promise<void> {
  // What is typed before a reset of the device is the guest's to lose.
  const before = await printed(machine, "ready\n");
  const hello = "hello from the queue\nhello after a reset\n";
  expectEqual(before, `${hello}${MUCH}ready\n`, "what was printed");
  const lines = Array.from({ length: 40 }, (_, i) => `line ${i} with some text behind it\n`);
  const typed = lines.join("") + "end\n";
  await type(machine, typed);
  const { end, console } = await outcome(machine);
  expectEnd(end, { kind: "exit", status: 0 });
  expectEqual(console, typed, "what came back");
}

/** A guest that prints random bytes, through a reset: no eight of them are the same as others. */
export const randomBytes: Judge = async (machine) => {
  const { end, console } = await outcome(machine);
  expectEnd(end, { kind: "exit", status: 0 });
  const read = [...console.matchAll(/^random=([0-9a-f]{128})$/gm)].map(([, bytes]) => bytes);
  expectEqual(read.length, 4, "the number of times that bytes were printed");
  const pieces = read.flatMap((bytes) => bytes.match(/.{16}/g) ?? []);
  expectEqual(new Set(pieces).size, pieces.length, "the number of different pieces");
};

/** A guest that makes every device ready and halts; it is stopped there. @param count how many devices there are */
export function allReady(count: number): Judge {
  return async (machine) => {
    expectEqual(await printed(machine, "idle\n"), `devices=${count}\nidle\n`, "what was printed");
    await machine.stop();
    expectEnd(await machine.ended, { kind: "stopped" });
  };
}
