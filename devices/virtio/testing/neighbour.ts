/**
 * A device that nobody drives, beside one that is driven.
 * @module
 */
import assert from "node:assert/strict";
import { GuestMemory } from "../../../src/memory/mod.ts";
import type { DeviceOptions } from "../../options.ts";
import type { VirtioModule } from "../module.ts";
import { DeviceRig, type RigInput } from "./rig.ts";

/** A device of its own, with its own guest memory, which must stay as it is. */
export class Neighbour implements AsyncDisposable {
  readonly #rig: DeviceRig;
  readonly #words: Uint32Array;
  readonly #before: string;

  constructor(module: VirtioModule<DeviceOptions>, options: RigInput | readonly RigInput[]) {
    const memory = GuestMemory.forTest(64 << 10);
    this.#rig = DeviceRig.create(module, options, { memory, id: "neighbour" });
    const queueSizes = this.#rig.description.queueSizes.map((size) => Math.min(size, 16));
    this.#rig.start({ queueSizes });
    this.#words = new Uint32Array(memory.regions[0].buffer);
    this.#before = this.#state();
  }

  /** @throws {assert.AssertionError} it has changed */
  check(): void {
    assert.equal(this.#state(), this.#before, "the neighbour has changed");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#rig[Symbol.asyncDispose]();
  }

  /** All that can be seen of it. */
  #state(): string {
    const { failure, metrics, config, log, interrupts } = this.#rig;
    let sum = 0;
    for (const word of this.#words) sum = (Math.imul(sum, 31) + word) | 0;
    return JSON.stringify({
      sum,
      failure: String(failure),
      metrics: metrics.read(),
      config: [...config.bytes],
      changes: config.changes,
      log,
      interrupts,
    });
  }
}
