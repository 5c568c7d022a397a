/**
 * The balloon's core: pages that the guest gives up go back to the host at once.
 * @module
 */
import { type DeviceState, DeviceStateError, StateReader } from "../../state.ts";
import { size } from "../../options.ts";
import { hasFeature } from "../features.ts";
import {
  type DeviceContext,
  DeviceError,
  type VirtioDescription,
  type VirtioDevice,
} from "../module.ts";
import { DescriptorChain } from "../queue/chain.ts";
import { type Virtqueue, VirtqueueError } from "../queue/virtqueue.ts";
import { Discarder } from "./discard.ts";
import {
  BALLOON_PAGE,
  ConfigOffset,
  STATISTIC_SIZE,
  STATISTICS,
  VIRTIO_BALLOON_F_PAGE_REPORTING,
  VIRTIO_BALLOON_F_STATS_VQ,
} from "./protocol.ts";

/** What the core is opened with. */
export interface BalloonBackend {
  /** How often statistics are asked for, in milliseconds; 0: never. */
  readonly statsInterval: number;
  /** The guest's memory in bytes: the most that the balloon can be. */
  readonly memorySize: number;
}

/** The most buffers in a turn of the event loop, so that other devices come to their right. */
const BATCH = 32;
/** The most page numbers of one buffer that are read; Linux sends 256. */
const MAX_PAGES = 65_536;
/** The most bytes of statistics that are read: more tags than there are. */
const MAX_STATISTICS = 64 * STATISTIC_SIZE;
const KIND = "balloon";
const VERSION = 1;

/** The core of one balloon. */
export class BalloonDevice implements VirtioDevice {
  readonly #context: DeviceContext;
  readonly #backend: BalloonBackend;
  readonly #chain: DescriptorChain;
  readonly #statsChain: DescriptorChain;
  readonly #discarder: Discarder;
  readonly #pages = new Uint32Array(MAX_PAGES);
  readonly #pageBytes = new Uint8Array(this.#pages.buffer);
  readonly #config: DataView;
  readonly #poll;
  readonly #more;
  #inflate: Virtqueue | undefined;
  #deflate: Virtqueue | undefined;
  #statsQueue: Virtqueue | undefined;
  #reporting: Virtqueue | undefined;
  /** The queues by index, as the features have it. */
  #roles: (Virtqueue | undefined)[] = [];
  /** Whether the statistics buffer is here, to be given back when news are wanted. */
  #hasStats = false;
  #statistics: Record<string, number> = {};

  constructor({ backend, queueSizes }: VirtioDescription<BalloonBackend>, context: DeviceContext) {
    this.#context = context;
    this.#backend = backend;
    const capacity = Math.max(...queueSizes);
    this.#chain = new DescriptorChain(capacity);
    this.#statsChain = new DescriptorChain(capacity);
    this.#discarder = new Discarder(context.memory);
    const { buffer, byteOffset, byteLength } = context.config.bytes;
    this.#config = new DataView(buffer, byteOffset, byteLength);
    this.#poll = context.io.timer(() => this.#askForStatistics());
    this.#more = context.io.timer(() => this.#serveAll());
  }

  start(queues: readonly (Virtqueue | undefined)[], features: bigint): void {
    // Queues of features that were not agreed on have no number (5.5.2).
    const next = queues.values();
    const take = (present: boolean) => present ? next.next().value : undefined;
    this.#inflate = take(true);
    this.#deflate = take(true);
    this.#statsQueue = take(hasFeature(features, VIRTIO_BALLOON_F_STATS_VQ));
    this.#reporting = take(hasFeature(features, VIRTIO_BALLOON_F_PAGE_REPORTING));
    this.#roles = [...queues];
  }

  kick(queue: number): void {
    this.#serve(this.#roles[queue]);
  }

  stop(): void {
    this.#poll.clear();
    this.#more.clear();
    if (this.#hasStats) this.#statsQueue?.unpop(this.#statsChain);
    this.#hasStats = false;
    this.#inflate =
      this.#deflate =
      this.#statsQueue =
      this.#reporting =
        undefined;
    this.#roles = [];
  }

  reset(): void {
    this.#statistics = {};
    // The pages are the next driver's, as all memory is: nothing is inflated.
    const zero = new Uint8Array(4);
    this.#context.config.update(ConfigOffset.actual, zero);
    this.#measure();
  }

  configWritten(): void {
    this.#measure();
  }

  /** `size` changes how large the balloon is to be; `stats` tells what the guest has said last. */
  command(name: string, argument: unknown): unknown {
    switch (name) {
      case "size":
        this.#resize(argument);
        return this.#sizes();
      case "stats":
        return { ...this.#sizes(), ...this.#statistics };
      default:
        throw new DeviceError(`a balloon has no command ${name}; there are size and stats`);
    }
  }

  save(): DeviceState {
    return { version: VERSION, target: this.#config.getUint32(ConfigOffset.numPages, true) };
  }

  restore(state: DeviceState): void {
    const reader = new StateReader(KIND, VERSION, state);
    const target = reader.integer("target", 0, this.#backend.memorySize / BALLOON_PAGE);
    reader.finish();
    if (target > this.#mostPages) {
      throw new DeviceStateError(KIND, `its size is more than the machine's memory`);
    }
    this.#setTarget(target);
  }

  close(): void {}

  get #mostPages(): number {
    return Math.floor(this.#backend.memorySize / BALLOON_PAGE);
  }

  #serveAll(): void {
    for (const queue of this.#roles) this.#serve(queue);
  }

  #serve(queue: Virtqueue | undefined): void {
    if (queue === undefined) return;
    if (queue === this.#statsQueue) {
      this.#takeStatistics(queue);
      return;
    }
    const chain = this.#chain;
    for (let served = 0; served < BATCH; served++) {
      if (!queue.pop(chain)) break;
      if (queue === this.#inflate) this.#inflatePages(chain);
      else if (queue === this.#deflate) this.#context.metrics.add("deflations");
      else if (queue === this.#reporting) this.#discardReported(chain);
      queue.push(chain, 0);
    }
    queue.flush();
    this.#count();
    if (queue.watch()) this.#more.set(0);
  }

  /** A buffer of page numbers that the guest gives up (5.5.6.1). */
  #inflatePages(chain: DescriptorChain): void {
    const { memory, metrics } = this.#context;
    const bytes = chain.read(memory, 0, this.#pageBytes);
    const count = Math.floor(bytes / 4);
    for (let i = 0; i < count; i++) {
      const address = this.#pages[i] * BALLOON_PAGE;
      if (!memory.isRam(address, BALLOON_PAGE)) {
        throw new VirtqueueError(`page 0x${this.#pages[i].toString(16)} is not RAM`);
      }
      this.#discarder.add(address, BALLOON_PAGE);
    }
    this.#discarder.flush();
    metrics.add("inflations");
  }

  /** A buffer whose own pieces are free (5.5.6.7). Only whole pages in them are given back. */
  #discardReported(chain: DescriptorChain): void {
    for (let i = chain.readableCount; i < chain.count; i++) {
      const start = Math.ceil(chain.addresses[i] / BALLOON_PAGE) * BALLOON_PAGE;
      const end = Math.floor((chain.addresses[i] + chain.lengths[i]) / BALLOON_PAGE) * BALLOON_PAGE;
      if (end > start) this.#discarder.add(start, end - start);
    }
    this.#discarder.flush();
    this.#context.metrics.add("reports");
  }

  #takeStatistics(queue: Virtqueue): void {
    if (this.#hasStats) {
      if (queue.hasBuffers) throw new VirtqueueError("there is more than one statistics buffer");
      return;
    }
    if (!queue.pop(this.#statsChain)) return;
    this.#hasStats = true;
    const bytes = new Uint8Array(Math.min(MAX_STATISTICS, this.#statsChain.readableBytes));
    this.#statsChain.read(this.#context.memory, 0, bytes);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at + STATISTIC_SIZE <= bytes.length; at += STATISTIC_SIZE) {
      const name = STATISTICS.at(view.getUint16(at, true));
      if (name !== undefined) this.#statistics[name] = Number(view.getBigUint64(at + 2, true));
    }
    this.#context.metrics.add("statistics");
    if (queue.watch()) throw new VirtqueueError("there is more than one statistics buffer");
    this.#poll.set(this.#backend.statsInterval);
  }

  /** Giving the buffer back asks for the next (5.5.6.3). */
  #askForStatistics(): void {
    const queue = this.#statsQueue;
    if (queue === undefined || !this.#hasStats) return;
    this.#hasStats = false;
    queue.push(this.#statsChain, 0);
    queue.flush();
  }

  #resize(argument: unknown): void {
    let bytes: number;
    try {
      bytes = size("SIZE", "", 0).read(argument);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      throw new DeviceError(`size: ${error.message} (got ${JSON.stringify(argument)})`);
    }
    if (bytes > this.#backend.memorySize) {
      throw new DeviceError(
        `size: the guest has ${this.#backend.memorySize} bytes of memory, and can't give back ${bytes}`,
      );
    }
    this.#setTarget(Math.floor(bytes / BALLOON_PAGE));
  }

  #setTarget(pages: number): void {
    const field = new Uint8Array(4);
    new DataView(field.buffer).setUint32(0, pages, true);
    this.#context.config.update(ConfigOffset.numPages, field);
    this.#context.metrics.set("target", pages * BALLOON_PAGE);
  }

  #sizes(): { target: number; actual: number } {
    return {
      target: this.#config.getUint32(ConfigOffset.numPages, true) * BALLOON_PAGE,
      actual: this.#config.getUint32(ConfigOffset.actual, true) * BALLOON_PAGE,
    };
  }

  #measure(): void {
    this.#context.metrics.set("actual", this.#sizes().actual);
  }

  #count(): void {
    const { metrics } = this.#context;
    metrics.set("discarded", this.#discarder.discarded);
    metrics.set("refused", this.#discarder.refused);
  }
}
