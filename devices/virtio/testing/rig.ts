/**
 * A virtio device under test: its core on a real event loop, with a fake driver instead of a guest and neither
 * KVM nor transport.
 *
 * ```ts ignore
 * await using rig = DeviceRig.create(entropy, {});
 * rig.start({ packed: true });
 * const { bytes } = rig.request(0, { writable: [64] });
 * ```
 *
 * The rig does what the I/O isolate does with a core, in the same order. What a device throws or reports by fail()
 * is kept in {@linkcode DeviceRig.failure}; a device that broke a promise to its queues fails the test.
 * @module
 */
import assert from "node:assert/strict";
import { IoLoop, type IoScope } from "../../../src/ffi/mod.ts";
import { GuestMemory } from "../../../src/memory/mod.ts";
import { Metrics } from "../../metrics.ts";
import type { DeviceOptions, InputOf } from "../../options.ts";
import { readDevice } from "../../read_options.ts";
import type { DeviceState } from "../../state.ts";
import type { VirtioDescription, VirtioDevice, VirtioModule } from "../module.ts";
import { openQueue, type QueuePosition } from "../queue/mod.ts";
import { type DriverFeatures, FakeDriver } from "./driver.ts";
import type { Completion, FakeBuffer } from "./fake_queue.ts";
import { RigConfig } from "./rig_config.ts";
import { WatchedQueue } from "./watched_queue.ts";

/** What a device is opened with. */
export interface RigSettings {
  /** The device's name; `"device0"` when left out. */
  readonly id?: string;
  /** The guest's memory; 16 MiB at 0 when left out. */
  readonly memory?: GuestMemory;
  /** How many vCPUs the device is told of; 2 when left out. */
  readonly cpus?: number;
  /** Goes on where another rig's device was saved. */
  readonly saved?: SavedRig;
}

/** How a driver starts its device. */
export interface StartOptions extends DriverFeatures {
  /** The device's own bits that the driver accepts; all that are offered when left out. */
  readonly features?: bigint;
  /** The descriptors of each queue, 0 for none; the device's sizes when left out. */
  readonly queueSizes?: readonly number[];
}

/** A stopped device and all around it that a snapshot would hold. */
export interface SavedRig {
  readonly memory: GuestMemory;
  readonly driver: FakeDriver | undefined;
  readonly features: bigint;
  readonly positions: readonly (QueuePosition | undefined)[];
  readonly config: Uint8Array;
  readonly state: DeviceState | undefined;
}

/** What a user writes for a device, or for each of its parts: text as on the command line, or properties. */
export type RigInput = string | Readonly<Record<string, unknown>>;

/** A device's core with all that it needs. */
export class DeviceRig<Backend = unknown> implements AsyncDisposable {
  readonly description: VirtioDescription<Backend>;
  readonly device: VirtioDevice;
  readonly memory: GuestMemory;
  readonly metrics: Metrics;
  readonly loop = new IoLoop();
  /** The device's part of the loop. */
  readonly io: IoScope;
  readonly config: RigConfig;
  /** The lines that the device has logged. */
  readonly log: string[] = [];
  /** How often each queue has interrupted the driver. */
  readonly interrupts: number[];
  /** What came back and was not asked for by {@linkcode request}, by queue. */
  readonly completed: Completion[][];
  /** What stopped the device; undefined while it works, and after a reset. */
  failure: unknown;
  readonly #owned: DisposableStack;
  #driver: FakeDriver | undefined;
  #features = 0n;
  #queues: readonly (WatchedQueue | undefined)[] = [];
  #positions: readonly (QueuePosition | undefined)[] = [];
  /** The first promise that the device broke. */
  #broken: assert.AssertionError | undefined;
  #abandoned = false;
  /** Whether the device was told to start, and not yet to stop. */
  #served = false;
  #started = false;
  #closed = false;

  /** Makes and opens a device as its user describes it. @throws what the module's `create` and `open` throw */
  static create<O extends DeviceOptions, Backend>(
    module: VirtioModule<O, Backend>,
    input: RigInput | readonly RigInput[],
    settings: RigSettings = {},
  ): DeviceRig<Backend> {
    const memory = settings.memory ?? settings.saved?.memory ?? GuestMemory.forTest(16 << 20);
    const read = (one: unknown) => readDevice(module.options, one).values;
    const values = module.options.multiplicity === "parts" && Array.isArray(input)
      ? input.map(read)
      : read(input);
    using owned = new DisposableStack();
    const description = module.create(values as InputOf<O>, {
      id: settings.id ?? "device0",
      cpus: settings.cpus ?? 2,
      memorySize: memory.size,
      own: (resource) => owned.use(resource),
    });
    // As on its way to the I/O isolate.
    const posted = structuredClone(description);
    const rig = new DeviceRig(module, posted, { ...settings, memory });
    rig.#owned.use(owned.move());
    return rig;
  }

  /** Opens a device from a description. */
  static open<O extends DeviceOptions, Backend>(
    module: VirtioModule<O, Backend>,
    description: VirtioDescription<Backend>,
    settings: RigSettings = {},
  ): DeviceRig<Backend> {
    return new DeviceRig(module, description, settings);
  }

  private constructor(
    module: Pick<VirtioModule<DeviceOptions, Backend>, "open">,
    description: VirtioDescription<Backend>,
    settings: RigSettings,
  ) {
    const { saved } = settings;
    this.description = description;
    this.memory = settings.memory ?? saved?.memory ?? GuestMemory.forTest(16 << 20);
    this.metrics = new Metrics(Metrics.allocate(description.metrics));
    this.interrupts = description.queueSizes.map(() => 0);
    this.completed = description.queueSizes.map(() => []);
    this.config = new RigConfig(saved?.config ?? description.config);
    using undo = new DisposableStack();
    undo.use(this.loop);
    this.io = this.loop.scope((error) => this.fail(error));
    this.device = module.open(description, {
      id: settings.id ?? "device0",
      memory: this.memory,
      io: this.io,
      config: this.config,
      metrics: this.metrics,
      log: (message) => this.log.push(message),
      fail: (error) => this.fail(error),
    });
    if (saved !== undefined) {
      if (saved.state !== undefined) this.device.restore?.(saved.state);
      this.#driver = saved.driver;
      this.#features = saved.features;
      this.#positions = saved.positions;
    }
    this.#owned = undo.move();
  }

  /** The driver of the last start. @throws {Error} there was none */
  get driver(): FakeDriver {
    if (this.#driver === undefined) throw new Error("the device was never started");
    return this.#driver;
  }

  /** Whether the driver is ready. */
  get started(): boolean {
    return this.#started;
  }

  /** A driver comes: it sets up its queues anew, and is ready. */
  start(options: StartOptions = {}): FakeDriver {
    assert(!this.#started, "the device is started already");
    assert(this.failure === undefined, "the device has failed, and was not reset");
    const { queueSizes = this.description.queueSizes, features = this.description.features } =
      options;
    this.#driver = new FakeDriver(this.memory, { ...options, queueSizes });
    this.#features = (this.description.features & features) | this.#driver.features;
    this.#positions = [];
    this.#begin();
    return this.#driver;
  }

  /** Goes on after {@linkcode stop}, or after a restore, with the same driver and its queues where they were. */
  resume(): void {
    assert(!this.#started, "the device is started already");
    this.#begin();
  }

  /** Tells the device of buffers in a queue, if it is started and works. */
  kick(queue: number): void {
    if (this.#started && this.failure === undefined) this.#call(() => this.device.kick(queue));
  }

  /** Offers a buffer and tells the device, if it wants to be told. @returns the buffer's name */
  offer(queue: number, buffer: FakeBuffer): number {
    const token = this.driver.queue(queue).offer(buffer);
    this.kickIfWanted(queue);
    return token;
  }

  /** Tells the device of buffers that were offered, if it wants to be told. */
  kickIfWanted(queue: number): void {
    const ring = this.driver.queue(queue);
    if (!ring.kickWanted) return;
    ring.kickWanted = false;
    this.kick(queue);
  }

  /** Offers a buffer and waits until it comes back. @throws {Error} the device failed, or took too long */
  request(queue: number, buffer: FakeBuffer, timeoutMs?: number): Completion {
    const token = this.offer(queue, buffer);
    const done = this.completed[queue];
    let at = -1;
    this.run(() => {
      this.collect(queue);
      at = done.findIndex((one) => one.token === token);
      return at >= 0;
    }, timeoutMs);
    return done.splice(at, 1)[0];
  }

  /** Takes what came back, as the driver's interrupt handler does. @returns all that was never taken out */
  collect(queue: number): Completion[] {
    const ring = this.driver.queue(queue);
    this.completed[queue].push(...ring.collect());
    ring.wantInterrupts();
    return this.completed[queue];
  }

  /**
   * Turns the loop until something holds, which is asked before each turn and at least every 10 ms.
   *
   * What needs this isolate's own promises can't happen meanwhile: see {@linkcode runAsync}.
   *
   * @throws {Error} the device failed, or the time is up
   */
  run(until: () => boolean, timeoutMs = 5000): void {
    const end = performance.now() + timeoutMs;
    while (!this.#holds(until, end, timeoutMs)) this.loop.turn(10);
  }

  /** The same, but lets this isolate's promises go on between turns: sockets that the test itself has opened. */
  async runAsync(until: () => boolean, timeoutMs = 5000): Promise<void> {
    const end = performance.now() + timeoutMs;
    while (!this.#holds(until, end, timeoutMs)) {
      this.loop.turn(0);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #holds(until: () => boolean, end: number, timeoutMs: number): boolean {
    this.#checkPromises();
    if (until()) return true;
    if (this.failure !== undefined) {
      throw new Error(`the device failed: ${this.failure}`, { cause: this.failure });
    }
    if (performance.now() < end) return false;
    throw new Error(`within ${timeoutMs} ms it did not come true: ${until}`);
  }

  /** The driver writes to the configuration space; bytes that it may not write are dropped. */
  writeConfig(offset: number, bytes: Uint8Array): void {
    this.config.driverWrites(offset, bytes, this.description.writableConfig ?? []);
    this.#call(() => this.device.configWritten?.());
  }

  /** The device stops, and gives back all buffers. @throws {assert.AssertionError} it kept some, without having failed */
  stop(timeoutMs = 5000): void {
    this.#stop(false, timeoutMs);
  }

  #stop(gone: boolean, timeoutMs: number): void {
    if (!this.#started) return;
    this.#started = false;
    this.#endService(gone);
    this.#settle(timeoutMs);
    this.#positions = this.#queues.map((queue) => queue?.position);
    for (const queue of this.#queues) queue?.close();
    if (this.failure === undefined) { for (const queue of this.#queues) queue?.checkGivenBack(); }
  }

  /** The driver resets the device: it is as if it had never been there. */
  reset(): void {
    this.#stop(true, 5000);
    if (this.#driver !== undefined) this.#call(() => this.device.reset());
    this.failure = undefined;
    this.#driver = undefined;
  }

  /** Stops the device, for another rig to go on with. */
  save(): SavedRig {
    this.stop();
    return {
      memory: this.memory,
      driver: this.#driver,
      features: this.#features,
      positions: this.#positions,
      config: this.config.bytes.slice(),
      state: this.device.save?.(),
    };
  }

  /** A wish of the host's; the arguments and the result as JSON would have them. */
  command(name: string, argument?: unknown): unknown {
    assert(this.device.command !== undefined, "the device has no commands");
    const result = this.device.command(name, throughJson(argument));
    return throughJson(result);
  }

  /** What the I/O isolate does when a device fails: it is stopped at once, and told nothing more until its reset. */
  fail(error: unknown): void {
    // No fault of a driver's or a host's, but of the device's code.
    if (error instanceof assert.AssertionError) this.#broken ??= error;
    if (this.failure !== undefined) return;
    this.failure = error;
    this.#endService(true);
  }

  /** What the device does at its end is no longer judged: the test has failed already, and says why. */
  abandon(): void {
    this.failure ??= new Error("the test has failed");
    this.#abandoned = true;
  }

  /** Stops and closes the device, and gives back all that was opened for it. */
  [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    try {
      this.stop();
      this.device.close();
      this.io.close();
      this.#settle(5000);
      this.#checkPromises();
    } finally {
      this.#owned.dispose();
    }
    return Promise.resolve();
  }

  #begin(): void {
    const { queues, queueFeatures } = this.driver;
    this.#started = true;
    this.#call(() => {
      this.#queues = queues.map((queue, index) => {
        if (queue === undefined) return undefined;
        const configuration = { ...queue.configuration, position: this.#positions[index] };
        const interrupt = () => this.interrupts[index]++;
        return new WatchedQueue(openQueue(this.memory, configuration, queueFeatures, interrupt));
      });
      this.#served = true;
      this.device.start(this.#queues, this.#features);
    });
    for (const [index, queue] of this.#queues.entries()) if (queue !== undefined) this.kick(index);
  }

  /** Waits until nothing of the device's is under way. */
  #settle(timeoutMs: number): void {
    const end = performance.now() + timeoutMs;
    while (this.io.pending > 0) {
      assert(performance.now() < end, `${this.io.pending} operations did not end in time`);
      this.loop.turn(10);
    }
  }

  #endService(gone: boolean): void {
    if (!this.#served) return;
    this.#served = false;
    try {
      this.device.stop(gone);
    } catch (cause) {
      this.#broken ??= new assert.AssertionError({ message: `stop() has thrown: ${cause}` });
    }
  }

  #checkPromises(): void {
    const broken = this.#broken;
    // Thrown once: at the rig's end it would hide itself in a SuppressedError.
    this.#broken = undefined;
    if (broken !== undefined && !this.#abandoned) throw broken;
  }

  #call(what: () => void): void {
    try {
      what();
    } catch (error) {
      this.fail(error);
    }
  }
}

function throughJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
