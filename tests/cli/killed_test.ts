/**
 * What a killed `denovisor run --rootfs` leaves. How far the guest comes does not matter, so that this needs no KVM that
 * runs stock kernels.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { until } from "../../src/cli/testing.ts";
import { areFetched } from "../../src/rootfs/testing.ts";
import { hasKvm } from "../direct/payload_machine.ts";
import { finish, IN_BARE_ROOT, programTest, spawnDenovisor } from "./process.ts";

/** How long a run may take until the machine is made; it may have to build an initramfs. Milliseconds. */
const START_MS = 60_000;

/** The folders of machines with the sockets of their agents, below the session's folder. */
function sockets(runtime: string): string[] {
  const found: string[] = [];
  const folder = join(runtime, "denovisor-vsock");
  try {
    for (const { name, isDirectory } of Deno.readDirSync(folder)) {
      const machine = join(folder, name);
      if (isDirectory && [...Deno.readDirSync(machine)].some((file) => file.name === "vsock")) {
        found.push(machine);
      }
    }
  } catch (error) {
    // It is not made yet, or a machine's is just removed.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found;
}

programTest("the folder that a killed run has left goes with the next one", async () => {
  await using stack = new AsyncDisposableStack();
  const runtime = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(runtime, { recursive: true }));
  const start = () => {
    const args = "run --rootfs busybox --memory 256M --console none".split(" ");
    const child = spawnDenovisor(args, { XDG_RUNTIME_DIR: runtime });
    const ended = finish(child);
    const kill = async (signal: Deno.Signal) => {
      child.kill(signal);
      return await ended;
    };
    // Deno refuses to kill what has ended.
    stack.defer(() => kill("SIGKILL").then(() => {}, () => {}));
    return kill;
  };
  const killFirst = start();
  await until(() => sockets(runtime).length === 1, "a first run has its socket", START_MS);
  const [left] = sockets(runtime);
  await killFirst("SIGKILL");
  assert.deepEqual(sockets(runtime), [left]);
  const killSecond = start();
  await until(
    () => sockets(runtime).some((path) => path !== left),
    "a second has its own",
    START_MS,
  );
  assert.equal(sockets(runtime).length, 1);
  assert.notEqual(sockets(runtime)[0], left);
  await killSecond("SIGTERM");
  assert.deepEqual(sockets(runtime), []);
}, {
  // It needs a kernel and a busybox that were fetched.
  ignore: IN_BARE_ROOT || !hasKvm() || !areFetched("kernel-cloud", "busybox"),
});
