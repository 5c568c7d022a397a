/**
 * The core of a user's virtio device: it takes buffers out of the queues and has the user's handler serve them.
 * @module
 */
import type { IoTimer } from "../../src/ffi/mod.ts";
import type { DeviceState } from "../state.ts";
import type { DeviceContext, VirtioDevice } from "../virtio/module.ts";
import { DescriptorChain } from "../virtio/queue/chain.ts";
import type { Virtqueue } from "../virtio/queue/virtqueue.ts";
import { lineOf, stackOf, UserDeviceError } from "./errors.ts";
import { VirtioRequest } from "./request.ts";
import type { VirtioDeviceDefinition, VirtioHandler } from "./virtio_device.ts";

/** The most buffers in a turn of the event loop, so that other devices come to their right. */
const BATCH = 16;

/** What the core keeps for each queue. */
interface Lane {
  readonly chain: DescriptorChain;
  readonly request: VirtioRequest;
  queue: Virtqueue | undefined;
  /** Whether buffers were left in it for the next turn. */
  isDue: boolean;
}

/** One device of a user's at work. */
export class UserVirtioCore implements VirtioDevice {
  readonly #id: string;
  readonly #module: string;
  readonly #handler: VirtioHandler;
  readonly #lanes: readonly Lane[];
  readonly #later: IoTimer;
  readonly command: VirtioDevice["command"];
  readonly save: VirtioDevice["save"];
  readonly restore: VirtioDevice["restore"];

  /** @throws {UserDeviceError} what `open` throws, or gives that is no handler */
  constructor(
    module: string,
    definition: VirtioDeviceDefinition,
    values: Readonly<Record<string, unknown>>,
    queueSizes: readonly number[],
    context: DeviceContext,
  ) {
    this.#id = context.id;
    this.#module = module;
    this.#lanes = queueSizes.map((size) => {
      const chain = new DescriptorChain(size);
      const request = new VirtioRequest(context.memory, chain);
      return { chain, request, queue: undefined, isDue: false };
    });
    this.#later = context.io.timer(() => this.#serveDue());
    const again = (queue: number) => {
      const lane = this.#lanes[queue];
      if (lane === undefined) throw new RangeError(`there is no queue ${queue}`);
      lane.isDue = true;
      // Not at once: it may be asked for from inside a request.
      if (lane.queue !== undefined && !this.#later.armed) this.#later.set(0);
    };
    this.#handler = this.#open(definition, { ...context, options: values, again });
    const handler = this.#handler;
    this.command = handler.command === undefined
      ? undefined
      : (name, argument) => handler.command?.(name, argument);
    this.save = handler.save === undefined
      ? undefined
      : () => this.#guard("save", () => handler.save?.() as DeviceState);
    this.restore = handler.restore === undefined ? undefined : (state) => handler.restore?.(state);
  }

  start(queues: readonly (Virtqueue | undefined)[], features: bigint): void {
    for (const [index, lane] of this.#lanes.entries()) lane.queue = queues[index];
    this.#guard("start", () => this.#handler.start?.(features));
  }

  kick(queue: number): void {
    this.#serve(queue);
  }

  stop(): void {
    this.#later.clear();
    for (const lane of this.#lanes) {
      lane.queue = undefined;
      lane.isDue = false;
    }
    this.#guard("stop", () => this.#handler.stop?.());
  }

  reset(): void {
    this.#guard("reset", () => this.#handler.reset?.());
  }

  configWritten(): void {
    this.#guard("configWritten", () => this.#handler.configWritten?.());
  }

  close(): void {
    this.#guard("close", () => this.#handler.close?.());
  }

  #open(
    definition: VirtioDeviceDefinition,
    context: Parameters<VirtioDeviceDefinition["open"]>[0],
  ): VirtioHandler {
    const problem = (text: string, cause?: unknown) =>
      new UserDeviceError(this.#id, this.#module, text, { cause });
    let handler: unknown;
    try {
      handler = definition.open(context);
    } catch (error) {
      throw problem(`open threw ${stackOf(error, this.#module)}`, error);
    }
    if (typeof handler === "object" && handler !== null && "request" in handler) {
      if (typeof handler.request === "function") return handler as VirtioHandler;
    }
    throw problem("open did not give an object with the method request");
  }

  #serveDue(): void {
    for (const [index, lane] of this.#lanes.entries()) if (lane.isDue) this.#serve(index);
  }

  /** Has buffers of a queue served until there are none, it's enough for a turn, or the handler wants to wait. */
  #serve(index: number): void {
    const lane = this.#lanes[index];
    const { queue, chain, request } = lane;
    if (queue === undefined) return;
    lane.isDue = false;
    for (let served = 0; queue.pop(chain); served++) {
      if (served === BATCH) {
        queue.unpop(chain);
        lane.isDue = true;
        this.#later.set(0);
        break;
      }
      request.begin();
      if (this.#request(request, index) === false) {
        queue.unpop(chain);
        break;
      }
      queue.push(chain, request.written);
    }
    queue.flush();
  }

  #request(request: VirtioRequest, queue: number): unknown {
    let result: unknown;
    try {
      result = this.#handler.request(request, queue);
    } catch (error) {
      throw this.#failure("request", error);
    }
    if (!(result instanceof Promise)) return result;
    result.catch(() => {});
    throw this.#failure("request", new TypeError("a request can't be asynchronous; see again"));
  }

  #guard<T>(name: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw this.#failure(name, error);
    }
  }

  #failure(name: string, error: unknown): UserDeviceError {
    const text = `${name} threw ${lineOf(error, this.#module)}`;
    return new UserDeviceError(this.#id, this.#module, text, { cause: error });
  }
}
