/**
 * One device's core at work in an I/O isolate: started when its driver is ready, stopped when that resets it,
 * paused with the machine, and taken out of service when the driver breaks the rules.
 *
 * The transport only sets words and signals `control`; this looks at the words and does what they ask. A driver's
 * reset is answered when nothing of the device is under way any more, so that it may use its memory again.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | where its queues are | each is checked to be RAM when the driver says that it is ready |
 * | when it resets, and how often | a reset is answered only when the one before has ended |
 * | the contents of queues | what a queue or a device refuses stops this device alone |
 *
 * @module
 */
import type { BusySource, IoEvent, IoScope } from "../../src/ffi/mod.ts";
import type { GuestMemory } from "../../src/memory/mod.ts";
import { Metrics, type MetricsSpec } from "../metrics.ts";
import type { DeviceState } from "../state.ts";
import {
  hasFeature,
  Status,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  VIRTIO_F_RING_PACKED,
} from "./features.ts";
import type { DeviceInterrupts } from "./interrupts.ts";
import type { VirtioDescription, VirtioDevice, VirtioModule } from "./module.ts";
import { openQueue, type WatchableQueue } from "./queue/mod.ts";
import { VirtioShared, Word } from "./shared.ts";
import type { VirtioSlot } from "./slot.ts";

/** What a runner works with; all of it belongs to the I/O isolate. */
export interface RunnerContext {
  readonly memory: GuestMemory;
  /** A part of the isolate's event loop, for one owner; `failed` is told what a callback threw. */
  scope(failed: (error: unknown) => void): IoScope;
  readonly interrupts: DeviceInterrupts;
  /** A line for whoever runs the machine. */
  log(line: string): void;
}

/** One device as it was built, for the isolate that serves it. Can be structured-cloned. */
export interface RunnerSpec {
  readonly slot: VirtioSlot;
  readonly description: VirtioDescription;
  readonly metrics: MetricsSpec;
}

type State =
  /** No driver, or one that is not ready. */
  | "off"
  | "running"
  /** The driver broke a rule, or the device did; it waits for a reset. */
  | "failed";

/** Runs one device. */
export class VirtioRunner {
  readonly id: string;
  readonly #slot: VirtioSlot;
  readonly #shared: VirtioShared;
  readonly #context: RunnerContext;
  /** The transport's signals. */
  readonly #own: IoScope;
  /** The device's. */
  readonly #io: IoScope;
  readonly #device: VirtioDevice;
  readonly #events: IoEvent[] = [];
  #queues: (WatchableQueue | undefined)[] = [];
  /** The queues as the event loop looks at them, while the device is served. */
  #sources: IoEvent[] = [];
  #state: State = "off";
  /** Whether the device was told to start, and not yet to stop. */
  #served = false;
  #paused = false;
  /** Pauses that have not come to rest yet: something of the device may be under way. */
  #pausing = 0;
  #resetting = false;
  #log: LineLimit;

  /** Opens the device's core. It starts when the driver is ready. */
  constructor(spec: RunnerSpec, module: VirtioModule, context: RunnerContext) {
    const { slot } = spec;
    this.id = slot.id;
    this.#slot = slot;
    this.#shared = new VirtioShared(slot.shared);
    this.#context = context;
    this.#own = context.scope((error) => this.#fail(error));
    this.#io = context.scope((error) => this.#fail(error));
    this.#log = new LineLimit((line) => context.log(`${slot.id}: ${line}`));
    this.#device = module.open(spec.description, {
      id: slot.id,
      memory: context.memory,
      io: this.#io,
      config: {
        bytes: this.#shared.config,
        update: (offset, bytes) => this.#updateConfig(offset, bytes),
      },
      metrics: new Metrics(spec.metrics),
      log: (line) => this.#log.write(line, this.#io.now),
      fail: (error) => this.#fail(error),
    });
    this.#events.push(this.#own.event(slot.control, () => this.#look()));
    for (const [index, fd] of slot.kicks.entries()) {
      this.#events.push(this.#own.event(fd, () => this.#kick(index)));
    }
    const { interrupts } = slot;
    if (interrupts.kind === "msix") {
      const resampled = () => this.#context.interrupts.resampled();
      this.#events.push(this.#own.event(interrupts.pin.resampleFd, resampled));
    }
  }

  /** A wish of the host's; see {@linkcode VirtioDevice.command}. @throws {Error} for the user */
  command(name: string, argument: unknown): unknown {
    if (this.#device.command === undefined) {
      throw new Error(`the device ${this.id} takes no commands`);
    }
    return this.#device.command(name, argument);
  }

  /**
   * Lets go of queues and guest memory until {@linkcode resume}; calls back when that is so. The vCPUs are paused
   * already. What the driver has offered so far is begun first: its notification may not have been looked at.
   */
  pause(paused: () => void): void {
    for (const index of this.#queues.keys()) this.#kick(index);
    this.#paused = true;
    this.#pausing++;
    this.#stop(false);
    this.#io.whenIdle(() => {
      this.#pausing--;
      if (this.#state === "running") this.#keepPositions();
      paused();
      this.#goOn();
    });
  }

  /**
   * Goes on after a pause, once that has come to rest: from where the queues were, or where a restore has put them.
   * A device that isn't paused runs on: to open its queues once more would take everything under way for forgotten.
   */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#goOn();
  }

  #goOn(): void {
    if (this.#held) return;
    if (this.#state === "running") this.#start();
    this.#look();
  }

  /** Whether the device may not start. */
  get #held(): boolean {
    return this.#paused || this.#pausing > 0;
  }

  /** What the device remembers beside registers and queues; while paused. */
  save(): DeviceState | undefined {
    return this.#device.save?.();
  }

  /** Takes over what {@linkcode save} gave; before the first start. @throws {DeviceStateError} */
  restore(state: DeviceState): void {
    this.#device.restore?.(state);
  }

  /** Ends the device; nothing of it may be under way: it was paused. */
  close(): void {
    for (const event of this.#events) event.close();
    this.#own.close();
    this.#io.close();
    this.#device.close();
  }

  /** Does what the transport's words ask for. */
  #look(): void {
    if (this.#shared.get(Word.reset) !== 0) {
      this.#reset();
      return;
    }
    if (Atomics.exchange(this.#shared.words, Word.configWritten, 0) !== 0) {
      this.#device.configWritten?.();
    }
    if (this.#state === "off" && !this.#held) this.#start();
  }

  #kick(index: number): void {
    if (this.#state !== "running" || !this.#served || this.#queues[index] === undefined) return;
    try {
      this.#device.kick(index);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Starts the device if its driver is ready for that. */
  #start(): void {
    const agreed = this.#shared.agreed();
    if (agreed === undefined) return;
    const { memory, interrupts } = this.#context;
    const features = agreed.features & this.#slot.features;
    const queueFeatures = {
      packed: hasFeature(features, VIRTIO_F_RING_PACKED),
      eventIdx: hasFeature(features, VIRTIO_F_EVENT_IDX),
      indirect: hasFeature(features, VIRTIO_F_INDIRECT_DESC),
    };
    this.#state = "running";
    try {
      this.#queues = agreed.queues.map((configuration, index) =>
        configuration &&
        openQueue(memory, configuration, queueFeatures, () => interrupts.queue(index), true)
      );
      this.#served = true;
      this.#device.start(this.#queues, features);
      for (const [index, queue] of this.#queues.entries()) {
        if (queue === undefined) continue;
        this.#sources.push(this.#own.busy(new QueueSource(queue, () => this.#kick(index))));
        this.#kick(index);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #reset(): void {
    if (this.#resetting) return;
    this.#resetting = true;
    this.#stop(true);
    this.#io.whenIdle(() => {
      // From here on nobody is there who could be told of a changed configuration.
      this.#state = "off";
      this.#queues = [];
      this.#device.reset();
      this.#resetting = false;
      this.#shared.finishReset();
      // The next driver may not have waited for this.
      this.#look();
    });
  }

  /** DEVICE_NEEDS_RESET, and no more of it until then (virtio 1.2, 2.1.2). */
  #fail(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.#log.write(`stopped until its driver resets it: ${text}`, this.#io.now);
    if (this.#state !== "running") return;
    this.#state = "failed";
    try {
      this.#stop(true);
    } catch (stopping) {
      this.#log.write(`while stopping: ${String(stopping)}`, this.#io.now);
    }
    Atomics.or(this.#shared.words, Word.status, Status.needsReset);
    this.#context.interrupts.config();
  }

  #stop(gone: boolean): void {
    if (!this.#served) return;
    this.#served = false;
    for (const source of this.#sources) source.close();
    this.#sources = [];
    this.#device.stop(gone);
  }

  #keepPositions(): void {
    for (const [index, queue] of this.#queues.entries()) {
      if (queue !== undefined) this.#shared.setPosition(index, queue.position);
    }
  }

  #updateConfig(offset: number, bytes: Uint8Array): void {
    const { config, configLock, words } = this.#shared;
    configLock.acquire();
    try {
      config.set(bytes, offset);
      Atomics.add(words, Word.generation, 1);
    } finally {
      configLock.release();
    }
    if (this.#state === "running") this.#context.interrupts.config();
  }
}

/** A queue that the event loop looks at. Its driver is asked for notifications when the loop goes to sleep. */
class QueueSource implements BusySource {
  constructor(private readonly queue: WatchableQueue, private readonly kick: () => void) {}

  get ready(): boolean {
    return this.queue.news;
  }

  take(): void {
    this.queue.note();
    this.kick();
  }

  arm(): boolean {
    return this.queue.arm();
  }
}

/** Lines in a minute that a device may write; a guest can cause as many as it likes. */
const LINES = 20;
const MINUTE = 60_000;

/** Passes on so many lines a minute, and says when it drops some. */
class LineLimit {
  #since = -Infinity;
  #count = 0;

  constructor(private readonly pass: (line: string) => void) {}

  write(line: string, now: number): void {
    if (now - this.#since >= MINUTE) {
      this.#since = now;
      this.#count = 0;
    }
    this.#count++;
    if (this.#count <= LINES) this.pass(line);
    if (this.#count === LINES) this.pass("there is more; the rest of this minute is left out");
  }
}
