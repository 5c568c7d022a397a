/**
 * A small device that gives back what it is given, by which the tools for tests are tested themselves.
 * @module
 */
import type { IoTimer } from "../../../src/ffi/mod.ts";
import { count, defineOptions } from "../../options.ts";
import type { DeviceState } from "../../state.ts";
import type { DeviceContext, VirtioDevice, VirtioModule } from "../module.ts";
import { DescriptorChain, type Virtqueue, VirtqueueError } from "../queue/mod.ts";

const options = defineOptions({
  flag: "echo",
  field: "echoes",
  multiplicity: "many",
  summary: "gives back what it is given",
  fields: { delay: count("MS", "how long it takes", 0, 100) },
});

/** What goes wrong on purpose. */
export interface Flaws {
  /** Something done wrong with each buffer. */
  readonly flaw?: (chain: DescriptorChain, context: DeviceContext) => void;
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
  #chain = new DescriptorChain(64);
  #bytes = new Uint8Array(4096);

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
    else if (!this.#timer.armed) this.#timer.set(this.#delay);
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

  restore(state: DeviceState): void {
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
      this.#flaws.flaw?.(chain, this.#context);
      const bytes = this.#bytes.subarray(0, Math.min(chain.readableBytes, this.#bytes.length));
      chain.read(memory, 0, bytes);
      if (bytes[0] === 0xee) throw new VirtqueueError("nobody says 0xee");
      this.#queue!.push(chain, chain.write(memory, 0, bytes));
      metrics.add("echoed");
    }
    if (!this.#flaws.forgetsToFlush) this.#queue!.flush();
  }
}

/** The device's module. */
export function echo(flaws: Flaws = {}): VirtioModule<typeof options, { readonly delay: number }> {
  return {
    kind: "echo",
    options,
    create: ({ delay }) => ({
      kind: "echo",
      deviceType: 63,
      features: 5n,
      queueSizes: [64],
      config: new Uint8Array(4),
      writableConfig: [{ offset: 0, size: 1 }],
      metrics: ["echoed"],
      backend: { delay },
    }),
    open: ({ backend }, context) => new Echo(context, backend.delay, flaws),
  };
}
