/**
 * The guest that the program carries: what it sees of its machine, does to its disks, and answers.
 * @module
 */
import assert from "node:assert/strict";
import { cpuUsage } from "node:process";
import { architecture } from "../../src/arch/mod.ts";
import { builtInGuest, END_OF_INPUT } from "../../src/machine/built_in_guest.ts";
import { Machine, type MachineConfig } from "../../src/machine/mod.ts";
import { hasKvm, type Outcome, outcome, printed } from "./payload_machine.ts";

const encoder = new TextEncoder();
const isIgnored = !hasKvm();
const needs = isIgnored ? " (needs /dev/kvm)" : "";

const FIRST_WORDS = "denovisor: the built-in guest\n";
const TRIED = "wrote 1 MiB, flushed, read it back: all as written\n";
const MiB = 1 << 20;

function guestTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: name + needs, ignore: isIgnored, fn });
}

/** A machine with the guest that runs. */
async function start(fields: Partial<MachineConfig> = {}): Promise<Machine> {
  const machine = await Machine.create(builtInGuest({ memory: "32M", ...fields }));
  machine.start();
  return machine;
}

/** Types lines, and the end behind them. */
async function type(machine: Machine, text: string): Promise<void> {
  await machine.console.write(encoder.encode(text));
  await machine.console.write(END_OF_INPUT);
}

/** Has a guest answer to what is typed at once, and end. */
async function run(text: string, fields: Partial<MachineConfig> = {}): Promise<Outcome> {
  await using machine = await start(fields);
  const [done] = await Promise.all([outcome(machine), type(machine, text)]);
  return done;
}

/** Runs a test with an image of so many bytes, each `fill`. */
async function withImage(
  size: number,
  fill: number,
  fn: (path: string) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempFile({ prefix: "denovisor-disk-" });
  try {
    await Deno.writeFile(path, new Uint8Array(size).fill(fill));
    await fn(path);
  } finally {
    await Deno.remove(path);
  }
}

for (const transport of ["pci", "mmio", "mmio-cmdline"] as const) {
  guestTest(
    `the built-in guest greets, tries its disk and ends with its input (${transport})`,
    async () => {
      const { end, console } = await run("", { transport });
      assert.deepEqual(end, { kind: "exit", status: 0 }, console);
      assert(console.startsWith(FIRST_WORDS), console);
      assert(console.includes(`disk "disk0" of 16 MiB: ${TRIED}`), console);
      assert(console.includes("denovisor run vmlinuz --initrd"), console);
      assert(console.endsWith("> \nThe machine ends.\n"), console);
      const where = transport === "pci" ? "virtio devices on PCI" : "virtio-mmio devices";
      assert(console.includes(`1 vCPU, 32 MiB of memory, ${where}.\n`), console);
    },
  );
}

guestTest("the built-in guest knows how many processors and how much memory it has", async () => {
  const { console } = await run("", { cpus: 3, memory: "5G" });
  assert.match(console, /: 3 vCPUs, 5120 MiB of memory/);
  assert.match((await run("", { memory: "2M" })).console, /: 1 vCPU, 2 MiB of memory/);
});

guestTest("the built-in guest answers what it is asked, and says so where it can't", async () => {
  const { end, console } = await run("help\n  info \r\ndisk\ntime\r\nuptime\n\nreboot\nexit\n", {
    rng: true,
  });
  assert.deepEqual(end, { kind: "exit", status: 0 });
  const answers = console.slice(console.indexOf("> "));
  assert.match(answers, /> help\ninfo .*\ndisk .*\ntime .*\nuptime .*\nexit .*\n> {3}info \n/);
  assert.match(answers, /\nvirtio disk \(type 2\)\nvirtio entropy source \(type 4\)\n/);
  assert.equal(console.split(TRIED).length - 1, 2);
  const clock = /> time\n(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) by the clock\n/.exec(answers);
  assert(clock !== null, answers);
  assert(Math.abs(Date.parse(`${clock[1].replace(" ", "T")}Z`) - Date.now()) < 60_000, clock[1]);
  assert.match(
    answers,
    /> uptime\nup for \d+ seconds?\n> \n> reboot\nThere is no command "reboot"/,
  );
  assert(answers.endsWith("> exit\nThe machine ends.\n"), answers);
});

guestTest("the built-in guest counts the seconds it is up", async () => {
  await using machine = await start();
  await printed(machine, "> ");
  await new Promise((resolve) => setTimeout(resolve, 2100));
  const [{ console }] = await Promise.all([outcome(machine), type(machine, "uptime\n")]);
  const seconds = Number(/up for (\d+) seconds/.exec(console)?.[1]);
  assert(seconds >= 2 && seconds < 60, console);
});

guestTest("a line can be corrected, given up, too long, or end with the input", async () => {
  const typed = `hekk\b\x7flp\nabc\x15time\nxyz\x03${"a".repeat(100)}\nuptime`;
  const { end, console } = await run(typed);
  assert.deepEqual(end, { kind: "exit", status: 0 });
  assert.match(console, /\ninfo {4}what machine/);
  assert.match(console, / by the clock\n/);
  assert.match(
    console.replaceAll("\x07", "!"),
    /xyz\^C\n> a{79}!{21}\nThere is no command "a{79}"/,
  );
  assert.match(console, /> uptime\nup for \d+ seconds?\n> The machine ends\.\n$/);
  assert(!console.includes('"hekk') && !console.includes('"xyz'), console);
});

guestTest("nothing that is typed ahead is lost", async () => {
  const words = Array.from({ length: 600 }, (_, i) => `word${i}`);
  const { console } = await run(words.map((word) => `${word}\n`).join(""));
  const answered = [...console.matchAll(/^There is no command "(\w+)"/gm)].map(([, word]) => word);
  assert.deepEqual(answered, words);
});

guestTest("the processor halts while nobody types, and wakes for each key", async () => {
  await using machine = await start();
  await printed(machine, "> ");
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  // Behind the last byte that it prints, it has some instructions to go.
  let exits: string;
  do {
    exits = JSON.stringify(machine.exits);
    await pause(100);
  } while (JSON.stringify(machine.exits) !== exits);
  const before = cpuUsage();
  await pause(1000);
  const { user, system } = cpuUsage(before);
  assert.equal(JSON.stringify(machine.exits), exits);
  assert(
    user + system < 250_000,
    `it took ${(user + system) / 1000} ms of a processor in a second`,
  );
  for (const key of "time") {
    await machine.console.write(encoder.encode(key));
    await printed(machine, key);
  }
  const [{ console }] = await Promise.all([outcome(machine), type(machine, "\n")]);
  assert.match(console, / by the clock\n/);
});

guestTest(
  "the built-in guest is on the disk what it says: written where it may, and else as it was",
  () =>
    withImage(2 * MiB, 0xa5, async (path) => {
      const untouched = await Deno.readFile(path);
      const { console } = await run("disk\n", { disks: [path, { memory: "3K" }] });
      const yours = 'disk "disk0" of 2 MiB: read 1 MiB (it is yours: nothing is written to it)\n';
      assert.equal(console.split(yours).length - 1, 2, console);
      assert(console.includes('disk "disk1" of 3 KiB: wrote 3 KiB, flushed'), console);
      assert.deepEqual(await Deno.readFile(path), untouched);

      const { kernel } = builtInGuest({});
      const cmdline = `ecam=${architecture.pci.ecam.base} scratch=1`;
      await using machine = await Machine.create({ kernel, cmdline, memory: "32M", disks: [path] });
      machine.start();
      const [done] = await Promise.all([outcome(machine), type(machine, "")]);
      assert(done.console.includes(TRIED), done.console);
      const bytes = await Deno.readFile(path);
      const words = new Uint32Array(bytes.buffer, 0, MiB / 4);
      const salt = 69069;
      const wrong = words.findIndex((word, i) => {
        const block = Math.floor(i / 16384) * 128;
        const inBlock = i % 16384;
        return word !==
          (Math.imul(block, 2654435761) + Math.imul(inBlock, 40503) + salt) >>> 0;
      });
      assert.equal(wrong, -1);
      assert.deepEqual(bytes.subarray(MiB), untouched.subarray(MiB));
    }),
);

guestTest(
  "a disk that fails is told of, and so is the end's status",
  () =>
    withImage(MiB, 0, async (path) => {
      await using machine = await start({ disks: [path] });
      await printed(machine, "> ");
      // Behind the machine's back.
      await Deno.truncate(path, MiB / 2);
      const [{ end, console }] = await Promise.all([outcome(machine), type(machine, "disk\n")]);
      assert.match(console, /reading at byte 524288 FAILED with status 1\n/);
      assert.deepEqual(end, { kind: "exit", status: 1 });
    }),
);

guestTest("a machine without a disk, and with one that is read-only", async () => {
  assert.match((await run("", { disks: [] })).console, /\nThere is no disk\.\n/);
  const { console } = await run("", { disks: [{ memory: "64K", ro: true }] });
  assert.match(console, /of 64 KiB: read 64 KiB \(it is read-only\)\n/);
});
