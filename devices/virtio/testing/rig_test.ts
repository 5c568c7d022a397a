/**
 * The rig's own behaviour, shown by a small device that echoes what it is given.
 * @module
 */
import assert from "node:assert/strict";
import type { IoTimer } from "../../../src/ffi/mod.ts";
import { DescriptorChain, type Virtqueue, VirtqueueError } from "../queue/mod.ts";
import { count, defineOptions } from "../../options.ts";
import type { DeviceContext, VirtioDevice, VirtioModule } from "../module.ts";
import { forEachLayout } from "./driver.ts";
import { DeviceRig } from "./rig.ts";

const options = defineOptions({
  flag: "echo",
  field: "echoes",
  multiplicity: "many",
  summary: "gives back what it is given",
  fields: { delay: count("MS", "how long it takes", 0, 100) },
});

/** What goes wrong on purpose. */
interface Flaws {
  readonly keepsBuffers?: boolean;
  readonly forgetsToFlush?: boolean;
  readonly goesOnAfterStop?: boolean;
}

class Echo implements VirtioDevice {
  readonly #context: DeviceContext;
  readonly #delay: number;
  readonly #flaws: Flaws;
  readonly #timer: IoTimer;
  #queue: Virtqueue | undefined;
  #chain = new DescriptorChain(16);

  constructor(context: DeviceContext, delay: number, flaws: Flaws) {
    this.#context = context;
    this.#delay = delay;
    this.#flaws = flaws;
    this.#timer = context.io.timer(() => this.#answer());
  }

  start(queues: readonly (Virtqueue | undefined)[]): void {
    this.#queue = queues[0];
  }

  kick(): void {
    if (this.#delay === 0) this.#answer();
    else this.#timer.set(this.#delay);
  }

  stop(): void {
    if (this.#flaws.goesOnAfterStop) return;
    this.#timer.clear();
    this.#queue = undefined;
  }

  reset(): void {}
  close(): void {}

  configWritten(): void {
    this.#context.config.update(1, this.#context.config.bytes.subarray(0, 1));
  }

  save() {
    return { version: 1, echoed: this.#context.metrics.read()["echoed"] };
  }

  restore(state: { readonly [field: string]: unknown }): void {
    this.#context.metrics.set("echoed", Number(state.echoed));
  }

  command(name: string, argument: unknown): unknown {
    return { name, argument };
  }

  #answer(): void {
    const { memory, metrics } = this.#context;
    const chain = this.#chain;
    while (this.#queue!.pop(chain)) {
      if (this.#flaws.keepsBuffers) return;
      const bytes = new Uint8Array(chain.readableBytes);
      chain.read(memory, 0, bytes);
      if (bytes.includes(0xee)) throw new VirtqueueError("nobody says 0xee");
      this.#queue!.push(chain, chain.write(memory, 0, bytes));
      metrics.add("echoed");
    }
    if (!this.#flaws.forgetsToFlush) this.#queue!.flush();
  }
}

function echo(flaws: Flaws = {}): VirtioModule<typeof options, { readonly delay: number }> {
  return {
    kind: "echo",
    options,
    create: ({ delay }) => ({
      kind: "echo",
      deviceType: 63,
      features: 5n,
      queueSizes: [16],
      config: new Uint8Array(4),
      writableConfig: [{ offset: 0, size: 1 }],
      metrics: ["echoed"],
      backend: { delay },
    }),
    open: ({ backend }, context) => new Echo(context, backend.delay, flaws),
  };
}

const bytes = (...values: number[]) => Uint8Array.from(values);

forEachLayout((layout) => {
  Deno.test(`a rig brings requests to a device and answers back, over ${layout.name}`, async () => {
    await using rig = DeviceRig.create(echo(), { delay: 1 });
    rig.start(layout);
    for (let i = 0; i < 40; i++) {
      const readable = [bytes(i, 1), bytes(2)];
      const done = rig.request(0, { readable, writable: [2, 8] });
      assert.deepEqual(done.bytes, bytes(i, 1, 2));
      assert.equal(done.writable.length, 10);
    }
    assert.deepEqual(rig.interrupts, [40]);
    assert.deepEqual(rig.metrics.read(), { echoed: 40 });
  });

  Deno.test(`a rig stops, resumes, saves and resets a device, over ${layout.name}`, async () => {
    await using rig = DeviceRig.create(echo(), "delay=0");
    rig.start(layout);
    for (let i = 0; i < 21; i++) rig.request(0, { readable: [bytes(i)], writable: [1] });
    rig.stop();
    const token = rig.offer(0, { readable: [bytes(7)], writable: [1] });
    rig.resume();
    assert.equal(rig.collect(0).pop()?.token, token);

    await using other = DeviceRig.create(echo(), "delay=0", { saved: rig.save() });
    other.resume();
    assert.deepEqual(
      other.request(0, { readable: [bytes(8)], writable: [1] }).bytes,
      bytes(8),
    );
    assert.equal(other.metrics.read()["echoed"], 23);
    other.reset();
    other.start(layout);
    assert.equal(other.request(0, { writable: [1] }).written, 0);
  });
});

Deno.test("a rig keeps what a device throws, and the device works again after a reset", async () => {
  await using rig = DeviceRig.create(echo(), { delay: 0 });
  rig.start();
  rig.offer(0, { readable: [bytes(0xee)] });
  assert.match(String(rig.failure), /nobody says 0xee/);
  assert.throws(() => rig.request(0, { readable: [bytes(1)] }), /the device failed.*0xee/);
  rig.reset();
  rig.start();
  rig.request(0, { readable: [bytes(1)] });
});

Deno.test("a rig keeps what a device's callback throws", async () => {
  await using rig = DeviceRig.create(echo(), { delay: 1 });
  rig.start();
  rig.offer(0, { readable: [bytes(0xee)] });
  rig.run(() => rig.failure !== undefined);
  assert(rig.failure instanceof VirtqueueError);
});

Deno.test("a rig lets a driver write only to the writable part of the configuration", async () => {
  await using rig = DeviceRig.create(echo(), { delay: 0 });
  rig.writeConfig(0, bytes(5, 6, 7));
  assert.deepEqual([...rig.config.bytes], [5, 5, 0, 0]);
  assert.equal(rig.config.field(0, 2), 0x505);
  assert.equal(rig.config.changes, 1);
});

Deno.test("a rig passes commands on as JSON has them", async () => {
  await using rig = DeviceRig.create(echo(), { delay: 0 });
  assert.deepEqual(rig.command("resize", { size: 1 }), { name: "resize", argument: { size: 1 } });
});

Deno.test("a rig gives up on what doesn't come true", async () => {
  await using rig = DeviceRig.create(echo(), { delay: 0 });
  assert.throws(() => rig.run(() => false, 30), /within 30 ms/);
  await assert.rejects(rig.runAsync(() => false, 30), /within 30 ms/);
});

Deno.test("a rig fails the test of a device that stops and keeps a buffer", async () => {
  await using rig = DeviceRig.create(echo({ keepsBuffers: true }), { delay: 0 });
  rig.start();
  rig.offer(0, { writable: [1] });
  assert.throws(() => rig.stop(), /keeps buffers of queue 0/);
});

Deno.test("a rig fails the test of a device that stops without a flush", async () => {
  await using rig = DeviceRig.create(echo({ forgetsToFlush: true }), { delay: 0 });
  rig.start();
  rig.offer(0, { writable: [1] });
  assert.throws(() => rig.stop(), /has not flushed/);
});

Deno.test("a rig fails the test of a device that uses a queue after it has stopped", async () => {
  const rig = DeviceRig.create(echo({ goesOnAfterStop: true }), { delay: 5 });
  rig.start();
  rig.stop();
  assert.throws(() => rig.run(() => false, 1000), /uses queue 0 after it has stopped/);
  await assert.rejects(async () => await rig[Symbol.asyncDispose](), /uses queue 0/);
});
