/**
 * Machines with devices that users have written: the two examples, and modules of a test's own.
 * @module
 */
import { join } from "node:path";
import type { Machine } from "../../src/machine/mod.ts";
import { nativeMachine, type Way } from "./native_machine.ts";
import { payloadMachine } from "./payload_machine.ts";

/** The examples. */
export const DICE: string = import.meta.resolve("../examples/dice.ts");
export const ROT13: string = import.meta.resolve("../examples/rot13.ts");

/** What the payload `user_port` is assembled with: the device's port, and the dice's seed. */
export const USER_PORT = { PORT: 0xe00, SEED: 5 } as const;

/** Writes modules of users' into a folder of their own. */
export async function withModules(
  texts: Readonly<Record<string, string>>,
  fn: (path: (name: string) => string) => Promise<unknown>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-user-" });
  try {
    for (const [name, text] of Object.entries(texts)) {
      await Deno.writeTextFile(join(folder, name), text);
    }
    await fn((name) => join(folder, name));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A machine whose guest writes to a port and reads it. */
export function portMachine(devices: readonly string[], defines = {}): Promise<Machine> {
  return payloadMachine("user_port", { devices }, { defines: { ...USER_PORT, ...defines } });
}

/** A machine whose guest has letters turned by a virtio device. */
export function turnedMachine(
  way: Way,
  devices: readonly string[],
  parameters: Record<string, string | number> = {},
): Promise<Machine> {
  return nativeMachine("turned", way, { devices }, { text: "Hello,World!", ...parameters });
}

/** Modules that fail: as they are attached, read, imported, opened, or given a request. */
export const FAILING = {
  "attach.js": `export default {
    ranges: [{ space: "pio", size: 1 }],
    attach() { throw new Error("boom"); },
  };`,
  "read.js": `export default {
    ranges: [{ space: "pio", size: 1 }],
    attach: () => ({ read() { throw new Error("no luck"); }, write() {} }),
  };`,
  "worker.js": `if (typeof WorkerGlobalScope !== "undefined") {
    throw new Error("not in a Worker");
  }
  export default { ranges: [{ space: "pio", size: 1 }], attach: () => ({ read: () => 1, write() {} }) };`,
  "open.js": `export default {
    type: 4242, queues: [8],
    open() { throw new Error("boom"); },
  };`,
  "request.js": `export default {
    type: 4242, queues: [8], config: Uint8Array.of(1),
    open: () => ({
      request() { throw new Error("no such word"); },
    }),
  };`,
};
