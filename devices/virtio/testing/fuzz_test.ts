import assert from "node:assert/strict";
import { VirtqueueError } from "../queue/mod.ts";
import { echo, type Flaws } from "./echo.ts";
import { fuzzDevice, type FuzzRequest } from "./fuzz.ts";
import type { Random } from "./random.ts";

function requestGenerator(random: Random): FuzzRequest {
  const readable = [random.bytes(random.length(2000)), random.bytes(4)];
  return { queue: 0, readable, writable: [random.length(100), random.length(3000)] };
}

/** Drives an echo device that does something wrong. */
function drive(flaws: Flaws, inputs?: number, delay = 0) {
  return fuzzDevice({
    module: echo(flaws),
    options: { delay },
    neighbour: { delay },
    requestGenerator,
    inputs,
  });
}

Deno.test("a sound device stands hostile drivers", async () => {
  const { completed, failures, starts } = await drive({});
  assert(completed > 1000 && failures > 100 && starts > failures);
});

Deno.test("a sound device that takes its time stands hostile drivers", async () => {
  const { completed, failures } = await drive({}, 10_000, 1);
  assert(completed > 10 && failures > 0);
});

Deno.test("the hostile inputs of a seed are always the same", async () => {
  const { perSecond: _, ...first } = await drive({}, 2000);
  const { perSecond: __, ...again } = await drive({}, 2000);
  assert.deepEqual(first, again);
});

Deno.test("hostile inputs find a device that writes behind the RAM", async () => {
  const flaw: Flaws["flaw"] = (chain, { memory }) => {
    if (chain.writableBytes !== 0) return;
    const { buffer, byteOffset, size } = memory.regions[1];
    new Uint8Array(buffer)[byteOffset + size] = 1;
  };
  await assert.rejects(drive({ flaw }), /echo: at step \d+ of seed 1: .* behind .*\n.*request/);
});

Deno.test("hostile inputs find a device that writes where no buffer is", async () => {
  const flaw: Flaws["flaw"] = (chain, { memory }) => {
    if (chain.count === 5) memory.fill(memory.end - 65536, 65536, 0);
  };
  await assert.rejects(drive({ flaw }), /wrote inside the regions/);
});

Deno.test("hostile inputs find a device that trips over a request", async () => {
  const flaw: Flaws["flaw"] = (chain) => {
    if (chain.readableBytes === 0) throw new TypeError("there is no header");
  };
  await assert.rejects(drive({ flaw }), /there is no header/);
});

Deno.test("hostile inputs find a device that trusts a length", async () => {
  const flaw: Flaws["flaw"] = (chain) => {
    if (chain.readableBytes > 4096) new Uint8Array(4096).set(new Uint8Array(chain.readableBytes));
  };
  await assert.rejects(drive({ flaw }), /out of bounds|offset/i);
});

Deno.test("hostile inputs find a device that keeps a buffer when it stops", async () => {
  await assert.rejects(drive({ keepsBuffers: true }), /keeps buffers/);
});

Deno.test("hostile inputs find a device that uses its queue after it has stopped", async () => {
  await assert.rejects(
    drive({ goesOnAfterStop: true }, undefined, 1),
    /uses queue 0 after it has stopped|Cannot read properties of undefined/,
  );
});

Deno.test("hostile inputs find a device that is slow", async () => {
  const flaw: Flaws["flaw"] = () =>
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 120);
  const plan = { module: echo({ flaw }), options: { delay: 0 }, requestGenerator, slowestMs: 100 };
  await assert.rejects(fuzzDevice(plan), /it took \d+ ms/);
});

Deno.test("hostile inputs find a device that changes its neighbour", async () => {
  const contexts = new Set<Parameters<NonNullable<Flaws["flaw"]>>[1]["config"]>();
  const module = echo({
    flaw: () => contexts.forEach((config) => config.update(0, new Uint8Array(1))),
  });
  const spying: typeof module = {
    ...module,
    open(description, context) {
      contexts.add(context.config);
      return module.open(description, context);
    },
  };
  const options = { delay: 0 };
  const run = fuzzDevice({ module: spying, options, neighbour: options, requestGenerator });
  await assert.rejects(run, /the neighbour has changed/);
});

Deno.test("hostile inputs that no request survives show nothing, and so fail", async () => {
  const flaw: Flaws["flaw"] = () => {
    throw new VirtqueueError("always");
  };
  await assert.rejects(drive({ flaw }, 500), /no request ever came back/);
});

Deno.test("a watchdog names the step at which a device hangs, and ends the process", async () => {
  const script = `
    import { Watchdog } from ${JSON.stringify(import.meta.resolve("./watchdog.ts"))};
    const watchdog = new Watchdog("echo, seed 7", 300);
    watchdog.step(42);
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (;;);
  `;
  const args = ["eval", "--no-lock", script];
  const child = await new Deno.Command(Deno.execPath(), { args, stderr: "piped" }).output();
  assert.equal(child.signal, "SIGKILL");
  assert.match(new TextDecoder().decode(child.stderr), /echo, seed 7: step 42 has not ended/);
});
