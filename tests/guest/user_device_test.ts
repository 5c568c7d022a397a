/**
 * Devices that users have written, under a stock kernel: ACPI tells it where the one is, and it finds the other on
 * PCI.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { bootGuest, guestTest } from "./boot.ts";

const DICE = import.meta.resolve("../examples/dice.ts");

/** With registers in memory and an interrupt, and what a virtio device of a type is that no driver is for. */
const MODULES = {
  "bell.js": `export default {
    acpiId: "BELL0001",
    ranges: [{ space: "mmio", size: 8 }, { space: "pio", size: 4 }],
    interrupt: true,
    attach: () => [{ read: () => 0, write() {} }, { read: () => 0, write() {} }],
  };`,
  "experiment.js": `export default {
    type: 63, queues: [8], config: Uint8Array.of(1, 2, 3, 4),
    open: () => ({ request() {} }),
  };`,
};

const PORT = 0xe00;
const COMMANDS = [
  "grep -E 'DICE|BELL' /proc/ioports /proc/iomem",
  "cat /sys/bus/acpi/devices/BELL0001:00/path",
  "test -c /dev/port && echo ports",
  `printf '\\005' | dd of=/dev/port bs=1 seek=${PORT} count=1`,
  ...Array(3).fill(`echo dice=$(dd if=/dev/port bs=1 skip=${PORT} count=1 | od -An -tu1)`),
  "cat /sys/bus/virtio/devices/*/device",
];

guestTest(
  "a stock kernel finds devices of the user's, with their addresses, and uses one",
  async () => {
    const folder = await Deno.makeTempDir({ prefix: "denovisor-user-" });
    try {
      const modules = Object.entries(MODULES).map(async ([name, text]) => {
        await Deno.writeTextFile(join(folder, name), text);
        return join(folder, name);
      });
      const { text, end } = await bootGuest({
        // The cloud flavour is built without CONFIG_DEVPORT.
        flavour: "generic",
        devices: [`${DICE},sides=20,port=${PORT}`, ...await Promise.all(modules)],
        guest: { command: COMMANDS.join("; "), modules: ["virtio_pci"] },
      });
      assert.deepEqual(end, { kind: "exit", status: 0 }, text);
      assert.match(text, /0e00-0e00 : DICE0001:00/);
      assert.match(text, /0e04-0e07 : BELL0001:00/);
      assert.match(text, /f1000000-f1000007 : BELL0001:00/);
      assert.match(text, /\\_SB_\.UD01/);
      // What the dice show with this seed is computed in tests/direct/user_devices_test.ts.
      const dice = [...text.matchAll(/^dice= *(\d+)$/gm)].map(([, shown]) => Number(shown));
      assert.deepEqual(dice, [6, 10, 18], text.slice(-2000));
      assert.match(text, /^0x003f$/m);
      assert.doesNotMatch(text, /ACPI (BIOS )?(Error|Warning|Exception)/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);
