import assert from "node:assert/strict";
import { EventFd, IoLoop, type IoOperation } from "../../src/ffi/mod.ts";
import { GuestMemory } from "../../src/memory/mod.ts";
import { Metrics } from "../metrics.ts";
import { defineOptions } from "../options.ts";
import { QUEUE_FEATURES, Status } from "./features.ts";
import { openInterrupts } from "./interrupts.ts";
import type { DeviceContext, VirtioDevice, VirtioModule } from "./module.ts";
import { DescriptorChain, type Virtqueue } from "./queue/mod.ts";
import { VirtioRunner } from "./runner.ts";
import { Interrupt, QueueWord, VirtioShared, Word } from "./shared.ts";
import type { VirtioSlot } from "./slot.ts";
import { FakeDriver } from "./testing/driver.ts";

/** A device that gives back what it is given, and writes down what it is told. */
class Witness implements VirtioDevice {
  readonly calls: string[] = [];
  /** Thrown by the next kick. */
  fault: Error | undefined;
  /** Changes the configuration at a reset. */
  restoresConfig = false;
  queue: Virtqueue | undefined;
  readonly operation: IoOperation;
  readonly #chain = new DescriptorChain(8);

  constructor(readonly context: DeviceContext) {
    this.operation = context.io.operation(() => this.calls.push("completed"));
  }

  start(queues: readonly (Virtqueue | undefined)[]): void {
    this.calls.push("start");
    this.queue = queues[0];
  }

  kick(queue: number): void {
    this.calls.push(`kick ${queue}`);
    if (this.fault !== undefined) throw this.fault;
    while (this.queue?.pop(this.#chain)) this.queue.push(this.#chain, 0);
    this.queue?.flush();
  }

  stop(): void {
    this.calls.push("stop");
    this.queue = undefined;
  }

  reset(): void {
    this.calls.push("reset");
    if (this.restoresConfig) this.context.config.update(0, Uint8Array.of(1));
  }

  configWritten(): void {
    this.calls.push("configWritten");
  }

  close(): void {
    this.calls.push("close");
  }
}

/** A runner with its device, and the transport's side of it in the test's hands. */
class Bench implements Disposable {
  readonly memory = GuestMemory.forTest(1 << 20);
  readonly loop = new IoLoop();
  readonly control = new EventFd("control");
  readonly kick = new EventFd("kick");
  readonly slot: VirtioSlot;
  readonly shared: VirtioShared;
  readonly driver = new FakeDriver(this.memory, { queueSizes: [8] });
  readonly log: string[] = [];
  interrupts = 0;
  device!: Witness;
  readonly runner: VirtioRunner;

  constructor() {
    const description = {
      kind: "witness",
      deviceType: 63,
      features: 0n,
      queueSizes: [8],
      config: Uint8Array.of(1, 2),
      metrics: [],
      backend: undefined,
    };
    const options = defineOptions({
      flag: "witness",
      field: "witness",
      multiplicity: "one",
      summary: "",
      fields: {},
    });
    const module: VirtioModule = {
      kind: "witness",
      options,
      create: () => description,
      open: (_description, context) => this.device = new Witness(context),
    };
    const shape = { queueSizes: [8], vectors: 0, configSize: 2 };
    this.slot = {
      id: "witness0",
      deviceType: 63,
      features: QUEUE_FEATURES,
      writableConfig: [],
      shared: VirtioShared.allocate(shape, description.config),
      kicks: [this.kick.raw],
      control: this.control.raw,
      interrupts: { kind: "line", fd: -1 },
    };
    this.shared = new VirtioShared(this.slot.shared);
    this.runner = new VirtioRunner(
      { slot: this.slot, description, metrics: Metrics.allocate([]) },
      module,
      {
        memory: this.memory,
        scope: (failed) => this.loop.scope(failed),
        interrupts: openInterrupts(this.slot, () => this.interrupts++),
        log: (line) => this.log.push(line),
      },
    );
  }

  /** What a driver does until it is ready. */
  ready(): void {
    const { configuration } = this.driver.queue(0);
    this.shared.setQueue(0, QueueWord.size, configuration.size);
    this.shared.setQueue(0, QueueWord.descriptorLow, configuration.descriptorArea);
    this.shared.setQueue(0, QueueWord.driverLow, configuration.driverArea);
    this.shared.setQueue(0, QueueWord.deviceLow, configuration.deviceArea);
    this.shared.setQueue(0, QueueWord.ready, 1);
    this.shared.set(Word.driverFeaturesHigh, 1);
    this.shared.set(Word.status, 0xf);
    this.signal(this.control);
  }

  /** What the transport does when a driver resets the device, before it signals. */
  requestReset(): void {
    this.shared.set(Word.reset, 1);
    this.shared.clear();
  }

  /** Signals, and lets the runner do what it has to. */
  signal(event: EventFd): void {
    event.signal();
    this.turn();
  }

  turn(): void {
    for (let i = 0; i < 5; i++) this.loop.turn(2);
  }

  /** The calls since the last time. */
  calls(): string[] {
    return this.device.calls.splice(0);
  }

  [Symbol.dispose](): void {
    this.runner.close();
    this.loop[Symbol.dispose]();
    this.control[Symbol.dispose]();
    this.kick[Symbol.dispose]();
  }
}

Deno.test("a device starts when its driver is ready, and serves notifications", () => {
  using bench = new Bench();
  bench.signal(bench.kick);
  assert.deepEqual(bench.calls(), [], "nobody is there yet");
  bench.ready();
  assert.deepEqual(bench.calls(), ["start", "kick 0"]);
  bench.driver.queue(0).offer({ writable: [4] });
  bench.signal(bench.kick);
  assert.deepEqual(bench.calls(), ["kick 0"]);
  assert.equal(bench.driver.queue(0).collect().length, 1);
  assert.equal(bench.interrupts, 1);
  assert.equal(bench.shared.get(Word.interruptStatus), Interrupt.usedBuffers);
});

Deno.test("a driver is looked at while its device is served, and need not notify a loop that is awake", () => {
  using bench = new Bench();
  const ring = bench.driver.queue(0);
  ring.offer({ writable: [4] });
  bench.loop.turn(0);
  assert.deepEqual(bench.calls(), [], "nobody is there yet");
  bench.ready();
  bench.calls();
  for (let i = 0; i < 3; i++) {
    ring.offer({ writable: [4] });
    bench.loop.turn(0);
    assert.deepEqual(bench.calls(), ["kick 0"], "although nobody signals");
    bench.loop.turn(0);
    assert.deepEqual(bench.calls(), [], "it is told once");
  }
  bench.device.fault = new Error("broken");
  ring.offer({ writable: [4] });
  bench.loop.turn(0);
  assert.deepEqual(bench.calls(), ["kick 0", "stop"]);
  ring.offer({ writable: [4] });
  bench.loop.turn(0);
  assert.deepEqual(bench.calls(), [], "one that has failed is left alone");
});

Deno.test("a reset is answered only when nothing is under way any more", () => {
  using bench = new Bench();
  bench.ready();
  bench.calls();
  bench.device.operation.fdatasync(bench.kick.raw);
  bench.requestReset();
  bench.control.signal();
  for (let i = 0; i < 50 && bench.shared.get(Word.reset) === 1; i++) bench.loop.turn(20);
  assert.equal(bench.shared.get(Word.reset), 0);
  assert.deepEqual(bench.calls(), ["stop", "completed", "reset"]);
  assert.equal(bench.shared.get(Word.status), 0, "the old driver's status is gone");
  bench.signal(bench.kick);
  assert.deepEqual(bench.calls(), [], "no driver, no work");
  bench.ready();
  assert.deepEqual(bench.calls(), ["start", "kick 0"]);
});

Deno.test("a driver that is ready before its reset is done starts the device when it is", () => {
  using bench = new Bench();
  bench.ready();
  bench.calls();
  bench.device.operation.fdatasync(bench.kick.raw);
  bench.requestReset();
  bench.ready();
  for (let i = 0; i < 50 && bench.shared.get(Word.reset) === 1; i++) bench.loop.turn(20);
  assert.deepEqual(bench.calls(), ["stop", "completed", "reset", "start", "kick 0"]);
  assert.equal(bench.shared.get(Word.status), 0xf);
});

Deno.test("queues that were read while a reset came are not used", () => {
  using bench = new Bench();
  const { shared } = bench;
  bench.ready();
  assert.equal(shared.agreed()?.queues.length, 1);
  const queueConfiguration = shared.queueConfiguration.bind(shared);
  shared.queueConfiguration = (index) => {
    bench.requestReset();
    return queueConfiguration(index);
  };
  assert.equal(shared.agreed(), undefined);
});

Deno.test("what a device throws stops it until its driver resets it, and the driver is told", () => {
  using bench = new Bench();
  bench.ready();
  bench.device.fault = new Error("a queue that can't be");
  bench.calls();
  bench.signal(bench.kick);
  assert.deepEqual(bench.calls(), ["kick 0", "stop"]);
  assert.match(bench.log.join(), /^witness0: stopped until its driver resets it: a queue that/);
  assert.equal(bench.shared.get(Word.status) & Status.needsReset, Status.needsReset);
  assert.equal(bench.shared.get(Word.interruptStatus), Interrupt.configuration);
  bench.signal(bench.kick);
  assert.deepEqual(bench.calls(), [], "it takes no notifications");
  bench.device.fault = undefined;
  bench.requestReset();
  bench.signal(bench.control);
  assert.deepEqual(bench.calls(), ["reset"]);
  bench.ready();
  assert.deepEqual(bench.calls(), ["start", "kick 0"]);
});

Deno.test("a queue that is not RAM fails the device, and nothing else", () => {
  using bench = new Bench();
  bench.shared.setQueue(0, QueueWord.descriptorHigh, 1);
  bench.ready();
  assert.deepEqual(bench.calls(), []);
  assert.equal(bench.shared.get(Word.status) & Status.needsReset, Status.needsReset);
  assert.match(bench.log.join(), /witness0: .*0x1/);
});

Deno.test("a paused device begins what it was given, keeps its place, and goes on from there", () => {
  using bench = new Bench();
  bench.ready();
  bench.calls();
  bench.driver.queue(0).offer({ writable: [4] });
  // The notification is lost in the pause: it was never looked at.
  let paused = false;
  bench.runner.pause(() => paused = true);
  bench.turn();
  assert(paused);
  assert.deepEqual(bench.calls(), ["kick 0", "stop"]);
  assert.equal(bench.driver.queue(0).collect().length, 1);
  assert.equal(bench.shared.queue(0, QueueWord.nextAvailable), 1);
  assert.equal(bench.shared.queue(0, QueueWord.nextUsed), 1);
  bench.driver.queue(0).offer({ writable: [4] });
  bench.signal(bench.kick);
  assert.deepEqual(bench.calls(), [], "a paused device touches nothing");
  bench.runner.resume();
  assert.deepEqual(bench.calls(), ["start", "kick 0"]);
  assert.equal(bench.driver.queue(0).collect().length, 1);
});

Deno.test("a device that is not paused does not start again when it's told to go on", () => {
  using bench = new Bench();
  bench.ready();
  bench.calls();
  bench.runner.resume();
  bench.driver.queue(0).offer({ writable: [4] });
  bench.signal(bench.kick);
  assert.deepEqual(bench.calls(), ["kick 0"]);
  assert.equal(bench.driver.queue(0).collect().length, 1);
});

Deno.test("a device told to go on before its pause has come to rest waits for that", () => {
  using bench = new Bench();
  bench.ready();
  bench.calls();
  bench.device.operation.fdatasync(bench.kick.raw);
  let pauses = 0;
  const paused = () => void pauses++;
  bench.runner.pause(paused);
  bench.runner.resume();
  bench.driver.queue(0).offer({ writable: [4] });
  bench.kick.signal();
  assert.deepEqual(bench.calls(), ["kick 0", "stop"]);
  for (let i = 0; i < 50 && pauses === 0; i++) bench.loop.turn(20);
  assert.deepEqual(bench.calls().slice(0, 3), ["completed", "start", "kick 0"]);
  assert.equal(bench.driver.queue(0).collect().length, 1);
  bench.turn();
  bench.calls();

  bench.device.operation.fdatasync(bench.kick.raw);
  bench.runner.pause(paused);
  bench.runner.resume();
  bench.runner.pause(paused);
  for (let i = 0; i < 50 && pauses < 3; i++) bench.loop.turn(20);
  assert.deepEqual(bench.calls(), ["kick 0", "stop", "completed"], "paused once more");
});

Deno.test("a device that a machine's start finds at work goes on where it is", () => {
  using bench = new Bench();
  bench.ready();
  bench.driver.queue(0).offer({ writable: [4] });
  bench.signal(bench.kick);
  assert.equal(bench.driver.queue(0).collect().length, 1);
  bench.calls();
  bench.runner.resume();
  assert.deepEqual(bench.calls(), [], "it does not start once more");
  bench.driver.queue(0).offer({ writable: [4] });
  bench.signal(bench.kick);
  assert.equal(bench.driver.queue(0).collect().length, 1, "its place in the queue is kept");
});

Deno.test("a change of the configuration is seen whole, counted, and told", () => {
  using bench = new Bench();
  const { config } = bench.device.context;
  config.update(1, Uint8Array.of(9));
  assert.deepEqual([...bench.shared.config], [1, 9]);
  assert.equal(bench.shared.get(Word.generation), 1);
  assert.equal(bench.interrupts, 0, "nobody is there yet");
  bench.ready();
  config.update(0, Uint8Array.of(7, 8));
  assert.equal(bench.interrupts, 1);
  assert.equal(bench.shared.get(Word.interruptStatus), Interrupt.configuration);
});

Deno.test("what a device restores of its configuration at a reset interrupts nobody", () => {
  using bench = new Bench();
  bench.ready();
  bench.device.restoresConfig = true;
  bench.interrupts = 0;
  bench.requestReset();
  bench.signal(bench.control);
  assert(bench.device.calls.includes("reset"));
  assert.equal(bench.interrupts, 0);
  assert.equal(bench.shared.get(Word.interruptStatus), 0);
});

Deno.test("the driver's write to the configuration reaches the device once", () => {
  using bench = new Bench();
  bench.ready();
  bench.calls();
  bench.shared.set(Word.configWritten, 1);
  bench.signal(bench.control);
  bench.signal(bench.control);
  assert.deepEqual(bench.calls(), ["configWritten"]);
});

Deno.test("a device that logs without end is cut short", () => {
  using bench = new Bench();
  for (let i = 0; i < 1000; i++) bench.device.context.log(`line ${i}`);
  assert.equal(bench.log.length, 21);
  assert.match(bench.log[20], /left out/);
});
