/**
 * What becomes of devices that users have written when they fail, or want what others have.
 * @module
 */
import assert from "node:assert/strict";
import { Machine, MachineFailedError } from "../../src/machine/mod.ts";
import { compile, COMPILER } from "../payloads/compile.ts";
import { MMIO, testNative } from "./native_machine.ts";
import { outcome, patiently, payloadMachine, testDirect } from "./payload_machine.ts";
import { FAILING, portMachine, turnedMachine, USER_PORT, withModules } from "./user_machine.ts";

/** The error that a machine ends with, of which no call may wait for ever. */
async function failureOf(machine: Machine): Promise<string> {
  try {
    await patiently(machine, () => machine.ended);
  } catch (error) {
    assert(error instanceof MachineFailedError);
    await machine.pause();
    await machine.stop();
    return error.message;
  }
  throw new Error("the machine has ended otherwise");
}

testDirect(
  "a device that throws ends its machine with its name, its file and the line",
  () =>
    withModules(FAILING, async (path) => {
      const expected: [string, RegExp][] = [
        [
          "attach.js",
          /^the device attach0 \(file:.*attach\.js\): attach threw Error: boom\n.*:3:\d+\)?$/,
        ],
        [
          "read.js",
          /^the device read0 .*: read of 1 byte at offset 0 threw Error: no luck\n.*read\.js:3:/,
        ],
      ];
      for (const [name, message] of expected) {
        await using machine = await portMachine([path(name)]);
        machine.start();
        assert.match(await failureOf(machine), message);
      }
    }),
);

testDirect(
  "a module that can't be imported in a Worker ends its machine, started or not",
  () =>
    withModules(FAILING, async (path) => {
      for (const isStarted of [true, false]) {
        await using machine = await portMachine([path("worker.js")]);
        if (isStarted) machine.start();
        assert.match(await failureOf(machine), /worker\.js: it can't be imported: not in a Worker/);
      }
    }),
);

testDirect(
  "a virtio device that can't be opened ends its machine with its name",
  () =>
    withModules(FAILING, async (path) => {
      await using machine = await turnedMachine(MMIO, [path("open.js")]);
      machine.start();
      assert.match(
        await failureOf(machine),
        /^the device open0 \(file:.*open\.js\): open threw Error: boom\n/,
      );
    }),
  COMPILER,
);

testNative(
  "a request that throws stops its device alone, until its driver resets it",
  (way) =>
    withModules(FAILING, async (path) => {
      const log: string[] = [];
      const kernel = await compile("turned");
      await using machine = await Machine.create({
        kernel,
        memory: "32M",
        transport: way.transport,
        cmdline: `${way.parameters} text=abc laps=3`,
        devices: [path("request.js")],
      }, { log: (line) => log.push(line) });
      machine.start();
      const { end, console } = await outcome(machine);
      assert.deepEqual(end, { kind: "exit", status: 0 }, console);
      assert.equal(console, "places=1\nstopped\n".repeat(3) + "done\n");
      assert.equal(log.length, 3);
      assert.match(
        log[0],
        /^request0: stopped until its driver resets it: the device request0 \(file:.*\): request threw no such word \(file:.*request\.js:4:\d+\)$/,
      );
    }),
);

testDirect(
  "devices that want what others have are refused by name",
  async () => {
    const at = (space: string, base: number | undefined, size: number, more = "") =>
      `export default { ranges: [{ space: "${space}", base: ${base}, size: ${size} }], ${more}
      attach: () => ({ read: () => 0, write() {} }) };`;
    const modules = {
      "serial.js": at("pio", 0x3f8, 1),
      "pit.js": at("pio", 0x40, 1),
      "ram.js": at("mmio", 0x10_0000, 4),
      "apic.js": at("mmio", 0xfee0_0000, 4),
      "transport.js": at("mmio", 0xf000_0000, 4),
      "one.js": at("mmio", 0xd000_0000, 8),
      "two.js": at("mmio", 0xd000_0004, 8),
      "large.js": at("pio", undefined, 0x200),
      "beyond.js": at("pio", 0xffff, 2),
      "irq4.js": at("pio", undefined, 1, "interrupt: 4,"),
      "irq5.js": at("pio", undefined, 1, "interrupt: 5,"),
      "irq.js": at("pio", undefined, 1, "interrupt: true,"),
    };
    await withModules(modules, async (path) => {
      const wrong: [string[], RegExp][] = [
        [
          ["serial.js"],
          /devices\.0: serial0 \(.*\): port 0x3f8 is where serial is, at ports 0x3f8 to 0x3ff/,
        ],
        [["pit.js"], /port 0x40 is where the timer is/],
        [["ram.js"], /addresses 0x100000 to 0x100003 is where RAM is/],
        [["apic.js"], /is where the LAPIC is/],
        [["transport.js"], /is where virtio-mmio is, at addresses 0xf0000000/],
        [["one.js", "two.js"], /devices\.1: two0 .* is where one0 is/],
        [["large.js"], /large0 .*: there is no room left for 512/],
        [["beyond.js"], /ranges: 0: base and size are whole numbers below 0x10000/],
        [["irq4.js"], /interrupt 4 is not free; there are 15, 14, 11, 10, 9, 7, 6, 5/],
        [["irq5.js"], /interrupt 5 is a virtio device's/],
        [Array(8).fill("irq.js"), /devices\.7: irq7 .*: there is no interrupt left/],
      ];
      for (const [names, message] of wrong) {
        const devices = names.map(path);
        const create = () =>
          payloadMachine("user_port", { devices, rng: true, transport: "mmio" }, {
            defines: USER_PORT,
          });
        await assert.rejects(create, (error: unknown) => {
          assert(error instanceof Error && error.name === "ConfigError", String(error));
          assert.match(error.message, message);
          return true;
        });
      }
    });
  },
);
