/**
 * Machines give back all that they took.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { runText } from "../../src/rootfs/command.ts";
import { COMPILER } from "../payloads/compile.ts";
import type { LeakReport } from "./leak_child.ts";
import { testDirect } from "./payload_machine.ts";

/** In the lab a machine takes seconds. */
const MACHINES = Deno.env.has("DENOVISOR_LAB") ? 21 : 98;

testDirect(
  `${MACHINES} machines, and machines that can't be built, leak no descriptor, thread, mapping or Worker`,
  async () => {
    // Other tests in this process would change what it holds.
    const script = join(import.meta.dirname!, "leak_child.ts");
    const output = await runText([
      Deno.execPath(),
      "run",
      "-A",
      "--quiet",
      script,
      String(MACHINES),
    ]);
    const { before, after, ends, failures }: LeakReport = JSON.parse(output);

    const each = MACHINES / 7;
    assert.deepEqual(ends, {
      "exit": each,
      "stopped": each,
      "crash": each,
      "never started": each,
      "disposed of while paused": each,
      "exit, with all devices on virtio-mmio": each,
      "stopped, with all devices on PCI": each,
    });
    for (const [what, errors] of Object.entries(failures)) {
      assert.equal(new Set(errors).size, 1, `${what}: ${errors}`);
      assert.match(errors[0], /Error$/, what);
    }
    assert.equal(Object.keys(failures).length, 22);

    assert.deepEqual(after.fds, before.fds);
    assert.deepEqual(after.threads, before.threads);
    assert.equal(after.mappings, before.mappings);
    assert.equal(after.live, before.live);
  },
  COMPILER,
);
