/**
 * What a machine costs from nothing to its guest's end, and how much of that is a machine's that is made and given back
 * without ever being started. The guest of ten bytes in real mode writes a byte to its console. Beside it, a monitor in
 * C that does so in a process which it forks for each.
 *
 * `deno task compare start` has the same for whole programs, and QEMU beside them.
 * @module
 */
import { join } from "node:path";
import { Machine, type MachineConfig } from "../src/machine/mod.ts";
import { Peer } from "./peer.ts";

const ADDRESS = 0x8000;
const MEMORY = 16 << 20;
const STATUS = 7;
/** mov dx, 0x3f8; mov al, '!'; out dx, al; mov al, 7; out 0xf4, al */
const GUEST = [0xba, 0xf8, 0x03, 0xb0, 0x21, 0xee, 0xb0, STATUS, 0xe6, 0xf4];

const directory = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
const kernel = join(directory, "guest");
await Deno.writeFile(kernel, Uint8Array.from(GUEST));
const peer = await Peer.start(directory, "boot_peer", kernel, String(ADDRESS), String(MEMORY));
const config: MachineConfig = {
  kernel,
  protocol: "flat",
  flat: { address: ADDRESS },
  memory: MEMORY,
};

async function runToEnd(): Promise<void> {
  await using machine = await Machine.create(config);
  machine.start();
  const [said, end] = await Promise.all([
    new Response(machine.console.output).text(),
    machine.ended,
  ]);
  if (said !== "!" || end.kind !== "exit" || end.status !== STATUS) {
    throw new Error(`the guest said ${JSON.stringify(said)} and ended: ${JSON.stringify(end)}`);
  }
}

const group = "a machine";
Deno.bench(`${group} from nothing to its end, C`, { group, baseline: true }, async () => {
  await peer.run("b");
});
Deno.bench(`${group} from nothing to its end`, { group }, runToEnd);
Deno.bench(`${group} made and given back`, { group }, async () => {
  await using _machine = await Machine.create(config);
});
