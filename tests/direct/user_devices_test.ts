/**
 * Devices that users have written, in machines: the two examples, and others that do as they are told.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Machine as ScriptedMachine } from "../../mod.ts";
import { Machine } from "../../src/machine/mod.ts";
import { assemble } from "../payloads/assemble.ts";
import { COMPILER } from "../payloads/compile.ts";
import { MMIO, testNative } from "./native_machine.ts";
import { outcome, payloadMachine, testDirect } from "./payload_machine.ts";
import {
  DICE,
  FAILING,
  portMachine,
  ROT13,
  turnedMachine,
  USER_PORT,
  withModules,
} from "./user_machine.ts";

const { SEED } = USER_PORT;

/** What the dice of the example show, by the sequence's own definition (Marsaglia, "Xorshift RNGs", 2003, page 4). */
function dice(sides: number, seed: number, count: number): number[] {
  let x = BigInt(seed);
  return Array.from({ length: count }, () => {
    x ^= x << 13n & 0xffff_ffffn;
    x ^= x >> 17n;
    x ^= x << 5n & 0xffff_ffffn;
    return Number(x % BigInt(sides)) + 1;
  });
}

function lines(numbers: readonly number[]): string {
  return numbers.map((number) => `${number.toString(16).padStart(8, "0")}\n`).join("");
}

testDirect(
  "the example's dice fall as their seed says, with the sides that were asked for",
  async () => {
    const device = { module: DICE, options: { sides: 20 } };
    await using machine = await payloadMachine("user_port", { devices: [device] }, {
      defines: USER_PORT,
    });
    machine.start();
    const { end, console } = await outcome(machine);
    assert.deepEqual(end, { kind: "exit", status: 50 });
    assert.equal(console, lines(dice(20, SEED, 8)));
    const info = machine.busDevices.get("dice0");
    assert(info !== undefined);
    assert.deepEqual(info.ranges, [{ space: "pio", base: 0xe00, size: 1 }]);
    assert.deepEqual([info.module, info.interrupt, info.state.throws], [DICE, undefined, 8]);
  },
);

testDirect(
  "a device is where its options want it, and the machine says where it has put another",
  async () => {
    const log: string[] = [];
    const { path } = await assemble("user_port", {
      defines: { ...USER_PORT, PORT: 0x300 },
    });
    const devices = [`${DICE},port=${0xe00}`, `${DICE},id=second`, `${DICE},port=${0x300},sides=9`];
    await using machine = await Machine.create({ kernel: path, memory: "16M", devices }, {
      log: (line) => log.push(line),
    });
    assert.deepEqual(log, ["second: it is at port 0xe01"]);
    machine.start();
    assert.equal((await outcome(machine)).console, lines(dice(9, SEED, 8)));
    const throws = [...machine.busDevices.values()].map(({ id, state }) => [id, state.throws]);
    assert.deepEqual(throws, [["dice0", 0], ["second", 0], ["dice1", 8]]);
  },
);

const BELL = `export default {
  ranges: [{ space: "pio", size: 1 }, { space: "mmio", size: 8 }],
  interrupt: true,
  state: { registers: { reads: 255, value: 0xffff_ffff } },
  attach: ({ state, irq }) => [
    { read: () => ++state.reads, write() {} },
    {
      read: () => state.value,
      write(_offset, _size, value) {
        state.value = ~value;
        irq.trigger();
      },
    },
  ],
};`;

testDirect(
  "a device has registers in memory and an interrupt, both of the machine's choice",
  () =>
    withModules({ "bell.js": BELL }, async (path) => {
      await using machine = await portMachine([path("bell.js")], { PIN: 15, BASE: 0xf100_0000 });
      const { ranges, interrupt } = machine.busDevices.get("bell0") ?? {};
      assert.deepEqual(ranges?.[1], { space: "mmio", base: 0xf100_0000, size: 8 });
      assert.equal(interrupt, 15);
      machine.start();
      const { end, console } = await outcome(machine);
      assert.deepEqual(end, { kind: "exit", status: 50 });
      assert.equal(console, lines([1, 2, 3, 4, 5, 6, 7, 8]) + "raised\nedcba987\n");
    }),
);

/** Counts with a pause between the look and the change: two at a time would lose counts. */
const COUNTER = `export default {
  ranges: [{ space: "pio", size: 1 }],
  state: { registers: { count: 0xffff_ffff } },
  attach: ({ state }) => ({
    read: () => 0,
    write() {
      const { count } = state;
      const end = performance.now() + 0.02;
      while (performance.now() < end);
      state.count = count + 1;
    },
  }),
};`;

testDirect(
  "vCPUs that use a device at once share its state, one access at a time",
  () =>
    withModules({ "counter.js": COUNTER }, async (path) => {
      const [CPUS, COUNT] = [3, 400];
      const payload = { format: "elf32", defines: { CPUS, COUNT, PORT: 0xe00 } } as const;
      const config = { cpus: CPUS, devices: [path("counter.js")] };
      await using machine = await payloadMachine("smp", config, payload);
      machine.start();
      assert.deepEqual((await outcome(machine)).end, { kind: "exit", status: 20 });
      assert.deepEqual(machine.busDevices.get("counter0")?.state, { count: CPUS * COUNT });
    }),
);

testNative("the example's queue turns letters, through a reset, and counts them", async (way) => {
  await using machine = await turnedMachine(way, [ROT13]);
  machine.start();
  const { end, console } = await outcome(machine);
  assert.deepEqual(end, { kind: "exit", status: 0 }, console);
  assert.equal(console, "places=13\nUryyb,Jbeyq!\n".repeat(2) + "done\n");
  assert.deepEqual(machine.devices.get("rot13-0")?.metrics, { requests: 2, bytes: 24 });
});

testDirect("a device that is paused again and again goes on where it was", async () => {
  const LAPS = 200;
  await using machine = await turnedMachine(MMIO, [`${ROT13},places=1,thread=own`], { laps: LAPS });
  machine.start();
  let running = true;
  const ended = outcome(machine).finally(() => running = false);
  let pauses = 0;
  for (; running; pauses++) {
    await machine.pause();
    machine.resume();
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  const { end, console } = await ended;
  assert.deepEqual(end, { kind: "exit", status: 0 }, `after ${pauses} pauses: ${console}`);
  assert.equal(console.split("Ifmmp,Xpsme!\n").length, LAPS + 1);
  assert(pauses > 3, `only ${pauses} pauses`);
}, COMPILER);

testDirect("many machines at once have devices of their own, of one module", async () => {
  await Promise.all(Array.from({ length: 6 }, async (_, index) => {
    const devices = [`${DICE},sides=${index + 2}`];
    await using machine = await portMachine(devices);
    machine.start();
    assert.equal((await outcome(machine)).console, lines(dice(index + 2, SEED, 8)));
  }));
});

testDirect("the command line takes devices, and tells what is wrong with them", async () => {
  const kernel = (await assemble("user_port", { defines: USER_PORT })).path;
  const main = join(import.meta.dirname!, "../../src/cli/main.ts");
  const run = async (...args: string[]) => {
    const command = ["run", "-A", "--quiet", main, "run", kernel, ...args];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: command })
      .output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    return { code, out, err };
  };
  const path = new URL(DICE).pathname;
  const good = await run("--device", `${path},sides=20`);
  assert.deepEqual([good.code, good.out], [50, lines(dice(20, SEED, 8))], good.err);
  assert.match(good.err, /dice0: it is at port 0xe00/);
  const wrong = await run("--device", `${path},sides=1`);
  assert.equal(wrong.code, 123);
  assert.match(wrong.err, /sides: it is a whole number from 2 to 256 \(got "1"\)/);
  await withModules({ "vm.json": "", ...FAILING }, async (file) => {
    const devices = [{ module: path, options: { sides: 6 } }];
    await Deno.writeTextFile(file("vm.json"), JSON.stringify({ devices }));
    const filed = await run("--config", file("vm.json"));
    assert.deepEqual([filed.code, filed.out], [50, lines(dice(6, SEED, 8))], filed.err);
    const failing = await run("--device", file("read.js"));
    assert.equal(failing.code, 125);
    assert.match(failing.err, /read of 1 byte at offset 0 threw Error: no luck/);
  });
});

testDirect("a reset gives a guest its devices anew, in their first state", async () => {
  const { path: kernel } = await assemble("user_port", { defines: USER_PORT });
  const devices = [{ module: DICE }, { module: ROT13, id: "turn" }];
  const COUNT = 8;
  await using vm = await ScriptedMachine.create({ kernel, memory: "16M", devices });
  vm.start();
  await vm.console.expect(lines(dice(6, SEED, COUNT)));
  const { state } = vm.busDevices.get("dice0") ?? {};
  assert.equal(state?.throws, COUNT);
  assert(vm.devices.has("turn"));
  assert.deepEqual(await vm.ended, { kind: "exit", status: 50 });

  await using other = await ScriptedMachine.create({ kernel, memory: "16M", devices });
  await other.reset();
  await other.console.expect(lines(dice(6, SEED, COUNT)));
  assert.equal(other.busDevices.get("dice0")?.state.throws, COUNT);
  assert(other.devices.has("turn"));
});
