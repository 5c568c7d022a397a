/**
 * The entropy device: the guest offers buffers, and they come back full of random bytes (virtio 1.2, 5.4).
 *
 * The bytes are the host kernel's own (getrandom(2) behind `crypto.getRandomValues`), or those of a file such as
 * `/dev/hwrng`.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | how large a buffer is | at most 64 KiB of it are filled; the rest is for the next one |
 * | how often it asks | so many buffers in a turn of the event loop, and the limits of its user |
 *
 * @module
 */
import { readFaults } from "../../faults/mod.ts";
import { Fd, O_NONBLOCK, O_RDONLY, read } from "../../../src/ffi/mod.ts";
import {
  changeLimits,
  limitFields,
  type LimitValues,
  RateLimiter,
  rateLimits,
  showLimits,
} from "../../limits/mod.ts";
import { defineOptions, optional, path } from "../../options.ts";
import {
  type DeviceContext,
  DeviceError,
  type VirtioDescription,
  type VirtioDevice,
  type VirtioModule,
} from "../module.ts";
import { DescriptorChain } from "../queue/chain.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import {
  ENTROPY_FAULT_ACTIONS,
  ENTROPY_FAULTS,
  ENTROPY_FAULTS_FIELD,
  type EntropyFault,
  EntropyFaults,
} from "./faults.ts";

export * from "./faults.ts";

/** The device's number. */
const VIRTIO_ID_RNG = 4;
const QUEUE_SIZE = 64;
/** The most bytes that one buffer is filled with; getRandomValues gives no more at once. */
const CHUNK = 65_536;
/** The most buffers in a turn, so that other devices come to their right. */
const BATCH = 16;
/** After a source that has run dry is asked again, in milliseconds. */
const RETRY_MS = 100;

const OPTIONS = defineOptions({
  flag: "rng",
  field: "rng",
  multiplicity: "one",
  summary: "a source of entropy for the guest",
  fields: {
    source: optional(path("FILE", "a file of random bytes (the host kernel's generator)")),
    ...limitFields(""),
    faults: ENTROPY_FAULTS_FIELD,
  },
});

interface EntropyBackend {
  /** The source's descriptor; undefined for the host kernel's generator. */
  readonly source: number | undefined;
  readonly limits: LimitValues;
  readonly faults: readonly EntropyFault[];
}

class EntropyDevice implements VirtioDevice {
  readonly #context: DeviceContext;
  readonly #source: number | undefined;
  readonly #chunk = new Uint8Array(CHUNK);
  readonly #chain = new DescriptorChain(QUEUE_SIZE);
  readonly #later;
  readonly #limiter: RateLimiter;
  #limits: LimitValues;
  readonly #faults = new EntropyFaults();
  /** What happens to the buffer that waits at the head of the queue, once that was decided. */
  #fault: EntropyFault | undefined;
  /** When that buffer has waited long enough, and is filled without being looked at again. */
  #until = 0;
  #queue: Virtqueue | undefined;

  constructor({ backend }: VirtioDescription<EntropyBackend>, context: DeviceContext) {
    this.#context = context;
    this.#source = backend.source;
    this.#limits = backend.limits;
    this.#limiter = new RateLimiter(rateLimits(backend.limits), context.io.now);
    this.#later = context.io.timer(() => this.#serve());
    this.#faults.set(backend.faults);
  }

  start(queues: readonly (Virtqueue | undefined)[]): void {
    this.#queue = queues[0];
  }

  kick(): void {
    if (!this.#later.armed) this.#serve();
  }

  stop(gone: boolean): void {
    this.#later.clear();
    this.#queue = undefined;
    // A dry source stays dry for the next driver.
    if (gone && this.#fault?.action === "delay") this.#fault = undefined;
  }

  reset(): void {}

  command(name: string, argument: unknown): unknown {
    if (name === "faults") return this.#changeFaults(argument);
    if (name !== "limits") {
      throw new DeviceError(`an entropy device has no command ${name}; it has faults and limits`);
    }
    this.#limits = changeLimits(this.#limits, argument);
    this.#limiter.set(rateLimits(this.#limits), this.#context.io.now);
    if (this.#later.armed) this.#later.set(0);
    return showLimits(this.#limits);
  }

  close(): void {}

  #changeFaults(wish: unknown): unknown {
    if (wish !== undefined && wish !== null) {
      this.#faults.set(readFaults(ENTROPY_FAULTS, wish));
      this.#fault = undefined;
      if (this.#queue !== undefined) this.#later.set(0);
    }
    return this.#faults.show();
  }

  /** Fills buffers until there are none, it's enough for a turn, or a limit is reached. */
  #serve(): void {
    const { memory, metrics, io } = this.#context;
    const queue = this.#queue;
    if (queue === undefined) return;
    const chain = this.#chain;
    for (let served = 0; queue.pop(chain); served++) {
      const delay = this.#limiter.delay(io.now);
      if (delay > 0 || served === BATCH) {
        queue.unpop(chain);
        if (delay > 0) metrics.add("throttled");
        this.#later.set(delay);
        break;
      }
      if ((this.#faults.active || this.#fault !== undefined) && this.#waits()) {
        queue.unpop(chain);
        break;
      }
      const wanted = this.#chunk.subarray(0, Math.min(CHUNK, chain.writableBytes));
      const bytes = this.#fill(wanted);
      if (bytes === 0 && wanted.length > 0) {
        queue.unpop(chain);
        this.#later.set(RETRY_MS);
        break;
      }
      this.#fault = undefined;
      this.#limiter.charge(bytes);
      queue.push(chain, chain.write(memory, 0, wanted.subarray(0, bytes)));
      metrics.add("requests");
      metrics.add("bytes", bytes);
    }
    queue.flush();
  }

  /** Decides about the buffer at the head of the queue. @returns whether it has to wait, for a timer or other rules */
  #waits(): boolean {
    const { metrics, io } = this.#context;
    if (this.#fault === undefined) {
      this.#fault = this.#faults.next();
      if (this.#fault === undefined) return false;
      metrics.add(`faults_${this.#fault.action}`);
      this.#until = io.now + (this.#fault.ms ?? 0);
    }
    if (this.#fault.action === "constant") return false;
    const wait = this.#until - io.now;
    if (this.#fault.action === "delay" && wait <= 0) return false;
    if (this.#fault.action === "delay") this.#later.set(wait);
    return true;
  }

  /** Puts random bytes into `into`. @returns how many; 0 where the source has none now */
  #fill(into: Uint8Array<ArrayBuffer>): number {
    if (into.length === 0) return 0;
    if (this.#fault?.action === "constant") {
      into.fill(this.#fault.byte ?? 0);
      return into.length;
    }
    if (this.#source === undefined) {
      crypto.getRandomValues(into);
      return into.length;
    }
    const { metrics, log } = this.#context;
    try {
      const bytes = read(this.#source, into, "the source of entropy");
      if (bytes > 0) return bytes;
      log("its source has come to its end");
    } catch (error) {
      log(error instanceof Error ? error.message : String(error));
    }
    metrics.add("failures");
    return 0;
  }
}

/** The entropy device. */
export const entropy: VirtioModule<typeof OPTIONS, EntropyBackend> = {
  kind: "entropy",
  options: OPTIONS,

  create({ source, faults = [], ...limits }, context) {
    rateLimits(limits);
    return {
      kind: "entropy",
      deviceType: VIRTIO_ID_RNG,
      features: 0n,
      queueSizes: [QUEUE_SIZE],
      config: new Uint8Array(),
      metrics: [
        ...["requests", "bytes", "throttled", "failures"],
        ...ENTROPY_FAULT_ACTIONS.map((action) => `faults_${action}`),
      ],
      backend: {
        source: source === undefined ? undefined : context.own(openSource(source)).raw,
        limits,
        faults,
      },
    };
  },

  open: (description, context) => new EntropyDevice(description, context),
};

function openSource(path: string): Fd {
  try {
    return Fd.open(path, O_RDONLY | O_NONBLOCK, `the source of entropy ${path}`);
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const remedy = "name a readable file, or leave it out for the host kernel's generator";
    throw new DeviceError(`rng: source: ${text}; ${remedy}`, { cause });
  }
}
