/**
 * What a machine's owner does with its devices while the guest uses them.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Machine } from "../../src/machine/mod.ts";
import { nativeMachine, testNative } from "./native_machine.ts";
import { outcome, testDirect } from "./payload_machine.ts";

const SECTOR = 512;
const RESETS = 20;

async function withDisks(fn: (first: string, second: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-disk-" });
  try {
    const [first, second] = [join(folder, "first.img"), join(folder, "second.img")];
    await Deno.writeFile(first, new Uint8Array(16384 * SECTOR));
    await Deno.writeFile(second, new Uint8Array(SECTOR));
    await fn(first, second);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

testNative(
  "a guest that is paused again and again under disk load misses nothing",
  (way) =>
    withDisks(async (first, second) => {
      const disks = [first, `${second},ro,thread=own`];
      await using machine = await nativeMachine("block", way, { disks }, { resets: RESETS });
      machine.start();
      let running = true;
      const ended = outcome(machine).finally(() => running = false);
      let pauses = 0;
      while (running) {
        await machine.pause();
        const before = machine.devices.get("disk0")?.metrics;
        await new Promise((resolve) => setTimeout(resolve, 2));
        assert.deepEqual(
          machine.devices.get("disk0")?.metrics,
          before,
          "a paused disk does nothing",
        );
        machine.resume();
        pauses++;
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
      const { end, console } = await ended;
      assert.deepEqual(end, { kind: "exit", status: 0 }, `after ${pauses} pauses: ${console}`);
      assert(pauses > 3, `only ${pauses} pauses`);
    }),
);

testNative(
  "limits, sizes and counters are there by the device's name while the guest runs",
  (way) =>
    withDisks(async (first, second) => {
      const disks = [`${first},id=root`, `${second},ro`];
      await using machine = await nativeMachine("block", way, { disks }, { resets: RESETS });
      const root = machine.devices.get("root");
      assert(root !== undefined);
      assert.equal(root.kind, "block");
      assert.deepEqual([...machine.devices.keys()], ["root", "disk1"]);
      machine.start();
      const limits = await root.command("limits", { iops: "100000/s", bandwidth: null });
      assert.equal((limits as Record<string, unknown>).iops, 100_000);
      await assert.rejects(root.command("limits", { iosp: 1 }), {
        name: "DeviceCommandError",
        message: /iosp: there is no such limit/,
      });
      await assert.rejects(root.command("fly"), { name: "DeviceCommandError", message: /fly/ });
      const { end, console } = await outcome(machine);
      assert.deepEqual(end, { kind: "exit", status: 0 }, console);
      assert(Object.values(root.metrics).some((count) => count > 0));
    }),
);

testDirect(
  "what a machine's devices can't be is said before anything runs, and given back",
  () =>
    withDisks(async (first, second) => {
      const kernel = join(first, "..", "kernel");
      await Deno.writeFile(kernel, Uint8Array.of(0xf4, 0xeb, 0xfd));
      const good = { kernel, protocol: "flat", memory: "16M" } as const;
      const wrong: [Parameters<typeof Machine.create>[0], RegExp][] = [
        [{ ...good, disks: [first, "/nowhere.img"] }, /no disk image \/nowhere\.img/],
        [{ ...good, disks: [`${first},id=a`, `${second},id=a`] }, /two devices are named a/],
        [
          { ...good, disks: Array(32).fill(`${second},ro`) },
          /room for 31 devices, and there are 32/,
        ],
        [
          { ...good, transport: "mmio", disks: Array(17).fill(`${second},ro`) },
          /mmio has room for 16 devices, and there are 17; use pci/,
        ],
      ];
      for (const [config, message] of wrong) {
        await assert.rejects(Machine.create(config), { message });
      }
      // Everything that the attempts had taken is free again: the lock of the image among it.
      await using machine = await Machine.create({ ...good, disks: [first] });
      await assert.rejects(Machine.create({ ...good, disks: [first] }), /first\.img/);
      machine.start();
    }),
);
