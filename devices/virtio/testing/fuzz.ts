/**
 * Drives a device's core with a hostile guest: whatever a driver can do to queues, requests and configuration, at
 * any moment.
 *
 * ```ts ignore
 * Deno.test("entropy stands hostile drivers", async () => {
 *   await fuzzDevice({
 *     module: entropy,
 *     options: {},
 *     requestGenerator: (random) => ({ queue: 0, writable: [random.length(4096)] }),
 *   });
 * });
 * ```
 *
 * After each input this holds, or an error names the seed and the step:
 *
 * - nothing was written beside RAM, nor into a part of it that was never offered for writing;
 * - what the device threw or reported is a driver's fault (a VirtqueueError for one), never a mistake of its code;
 * - it took less than {@linkcode SLOWEST_MS}; a device that never returns is ended, with the whole process, by a
 *   watchdog that names seed and step;
 * - stopped without having failed, the device has given all buffers back, and touches them no more;
 * - a neighbour, if there is one, is as it was.
 *
 * FUZZ_INPUTS says how many inputs there are, FUZZ_SEED which.
 * @module
 */
import assert from "node:assert/strict";
import type { DeviceOptions } from "../../options.ts";
import type { VirtioModule } from "../module.ts";
import { QueueMisuseError } from "../queue/mod.ts";
import { LAYOUTS } from "./driver.ts";
import type { FakeBuffer, FakeQueue } from "./fake_queue.ts";
import { GuardedMemory } from "./guarded_memory.ts";
import { hostileChain, mutate, pokeRing } from "./hostile_driver.ts";
import { Neighbour } from "./neighbour.ts";
import { Random } from "./random.ts";
import { DeviceRig, type RigInput } from "./rig.ts";
import { Watchdog } from "./watchdog.ts";

/** An input that takes longer is too slow, unless the plan says otherwise; a busy host takes its time, too. */
const SLOWEST_MS = 5000;
const DEFAULT_INPUTS = 10_000;
/** How many of the last inputs an error names. */
const HISTORY = 16;

/** A request as a well-meaning driver would make it, and the queue it goes to. */
export interface FuzzRequest extends FakeBuffer {
  readonly queue: number;
}

/** What is to be driven, and how. */
export interface FuzzPlan<O extends DeviceOptions, Backend> {
  readonly module: VirtioModule<O, Backend>;
  readonly options: RigInput | readonly RigInput[];
  /** A request that is right, or nearly so: of every type, with all sizes. It is sent as it is, or mutated. */
  requestGenerator(random: Random, rig: DeviceRig<Backend>): FuzzRequest;
  /** What happens on the host's side, now and then: a peer that sends or vanishes, a command, ... */
  hostEvent?(random: Random, rig: DeviceRig<Backend>): void;
  /** A second device of the same kind, which nobody drives: it must not change. */
  readonly neighbour?: RigInput | readonly RigInput[];
  /** How long an input may take at most, in milliseconds; {@linkcode SLOWEST_MS} when left out. */
  readonly slowestMs?: number;
  /** 10,000 or FUZZ_INPUTS when left out. */
  readonly inputs?: number;
  /** 1 or FUZZ_SEED when left out. */
  readonly seed?: number;
}

/** What came of it. */
export interface FuzzReport {
  readonly inputs: number;
  readonly perSecond: number;
  /** Buffers that came back while nothing was wrong with the queues. */
  readonly completed: number;
  /** How often the device stopped with DEVICE_NEEDS_RESET. */
  readonly failures: number;
  readonly starts: number;
}

/** Drives a device. @throws {Error} naming seed and step, if the device did what it must not */
export async function fuzzDevice<O extends DeviceOptions, Backend>(
  plan: FuzzPlan<O, Backend>,
): Promise<FuzzReport> {
  const inputs = plan.inputs ?? fromEnvironment("FUZZ_INPUTS", DEFAULT_INPUTS);
  const seed = plan.seed ?? fromEnvironment("FUZZ_SEED", 1);
  const guarded = new GuardedMemory(1 << 20, 1 << 16);
  await using rig = DeviceRig.create(plan.module, plan.options, { memory: guarded.memory });
  await using neighbour = plan.neighbour === undefined
    ? undefined
    : new Neighbour(plan.module, plan.neighbour);
  using watchdog = new Watchdog(`${plan.module.kind}, seed ${seed}`);
  const run = new FuzzRun(plan, rig, guarded, seed);
  const began = performance.now();
  let step = 0;
  try {
    for (; step < inputs; step++) {
      watchdog.step(step);
      run.input(step);
      if (neighbour !== undefined && step % 256 === 0) neighbour.check();
    }
    run.end();
    neighbour?.check();
  } catch (cause) {
    rig.abandon();
    const text = cause instanceof Error ? cause.message : String(cause);
    const history = run.history.slice(-HISTORY).join(", ");
    throw new Error(
      `${plan.module.kind}: at step ${step} of seed ${seed}: ${text}\nthe last inputs were: ${history}`,
      { cause },
    );
  }
  const perSecond = Math.round(inputs / ((performance.now() - began) / 1000));
  return { inputs, perSecond, ...run.counts };
}

function fromEnvironment(name: string, fallback: number): number {
  const text = Deno.env.get(name) ?? "";
  if (text === "") return fallback;
  assert(/^\d+$/.test(text), `${name} is a whole number, not "${text}"`);
  return Number(text);
}

/** One run of inputs. */
class FuzzRun<O extends DeviceOptions, Backend> {
  readonly counts = { completed: 0, failures: 0, starts: 0 };
  readonly history: string[] = [];
  readonly #plan: FuzzPlan<O, Backend>;
  readonly #rig: DeviceRig<Backend>;
  readonly #guarded: GuardedMemory;
  readonly #random: Random;
  readonly #seed: number;
  /** The rings are no longer as the driver believes. */
  #tainted = false;
  /** Whether this driver breaks its rings, too; one that doesn't gets further with its requests. */
  #hostile = false;

  constructor(
    plan: FuzzPlan<O, Backend>,
    rig: DeviceRig<Backend>,
    guarded: GuardedMemory,
    seed: number,
  ) {
    this.#plan = plan;
    this.#rig = rig;
    this.#guarded = guarded;
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#start();
  }

  /** One input, with all that must hold after it. */
  input(step: number): void {
    const random = this.#random;
    // A choice must not depend on how fast the host was in the steps before.
    random.restart(this.#seed, step + 1);
    const began = performance.now();
    try {
      this.#act();
    } catch (error) {
      if (!(error instanceof DriverStuck)) throw error;
      this.#restart("used up");
    }
    // Timers need time to pass; seldom, for there is much to do.
    if (random.oneIn(512)) this.#rig.loop.turn(2);
    else if (this.#rig.io.pending > 0 || random.oneIn(8)) this.#rig.loop.turn(0);
    this.#collect();
    this.#checkFailure();
    this.#guarded.check();
    const took = performance.now() - began;
    assert(took < (this.#plan.slowestMs ?? SLOWEST_MS), `it took ${Math.round(took)} ms`);
  }

  /** The last reset. @throws {assert.AssertionError} if no request was ever answered: such a run shows nothing */
  end(): void {
    this.#rig.reset();
    this.#checkFailure();
    this.#guarded.check();
    assert(this.counts.completed > 0, "no request ever came back");
  }

  #act(): void {
    const random = this.#random;
    const rig = this.#rig;
    if (rig.failure !== undefined) {
      // A driver that doesn't care goes on for a while.
      if (random.oneIn(3)) return this.#restart("reset after a failure");
    } else if (!rig.started && random.oneIn(3)) {
      this.#note("resume");
      return rig.resume();
    }
    const choice = random.below(100);
    if (choice < 60 || (choice < 84 && !this.#hostile)) return this.#request(choice % 2 === 0);
    if (choice < 72) return this.#hostileBuffer();
    if (choice < 79) return this.#poke();
    if (choice < 84) return this.#scribble();
    if (choice < 88) return this.#writeConfig();
    if (choice < 93) return this.#hostEvent();
    if (choice < 96) return this.#kick(random.below(rig.driver.queues.length));
    if (choice < 98) return this.#restart("reset");
    this.#note("stop");
    rig.stop();
  }

  #request(asItIs: boolean): void {
    const request = this.#plan.requestGenerator(this.#random, this.#rig);
    this.#note(`${asItIs ? "a request" : "a mutated request"} to queue ${request.queue}`);
    const queue = this.#rig.driver.queues[request.queue];
    if (queue === undefined) return;
    const buffer = asItIs ? request : mutate(this.#random, request);
    const pieces = (buffer.readable?.length ?? 0) + (buffer.writable?.length ?? 0);
    if (pieces === 0 || pieces > queue.size) return;
    if (queue.free < pieces) throw new DriverStuck();
    this.#offer(() => queue.offer(buffer));
    this.#tell(request.queue, queue);
  }

  #hostileBuffer(): void {
    const index = this.#random.below(this.#rig.driver.queues.length);
    const queue = this.#rig.driver.queues[index];
    this.#note(`a hostile buffer to queue ${index}`);
    if (queue === undefined) return;
    if (queue.free === 0) throw new DriverStuck();
    this.#tainted = true;
    this.#offer(() => queue.offerRaw(hostileChain(this.#random, this.#guarded, queue)));
    this.#tell(index, queue);
  }

  #poke(): void {
    const index = this.#random.below(this.#rig.driver.queues.length);
    const queue = this.#rig.driver.queues[index];
    this.#note(`changes of ring ${index}`);
    if (queue === undefined) return;
    this.#tainted = true;
    this.#offer(() => {
      for (let i = this.#random.between(1, 3); i > 0; i--) {
        pokeRing(this.#random, this.#guarded, queue);
      }
    });
    this.#kick(index);
  }

  /** Changes buffers that are under way, as another vCPU could. */
  #scribble(): void {
    const { memory } = this.#guarded;
    this.#note("changes of buffers");
    this.#tainted = true;
    const [{ size }] = memory.regions;
    // Where rings and the first buffers are.
    const start = 4096 + this.#random.below(this.#random.oneIn(2) ? 8192 : size / 2);
    memory.write(start, this.#random.bytes(this.#random.between(1, 256)));
  }

  #writeConfig(): void {
    this.#note("a write to the configuration");
    const offset = this.#random.below(this.#rig.description.config.length + 4);
    this.#rig.writeConfig(offset, this.#random.bytes(this.#random.pick([1, 2, 4, 8])));
  }

  #hostEvent(): void {
    this.#note("an event on the host");
    this.#plan.hostEvent?.(this.#random, this.#rig);
  }

  #kick(index: number): void {
    if (this.#rig.driver.queues[index] === undefined) return;
    this.#note(`kick ${index}`);
    this.#rig.kick(index);
  }

  /** Offers something, unless the driver's own memory is used up. */
  #offer(what: () => void): void {
    try {
      what();
    } catch (error) {
      if (error instanceof Error && /has no \d+ bytes left|no buffer id/.test(error.message)) {
        throw new DriverStuck();
      }
      throw error;
    }
  }

  /** As a driver does, or at once, or later. */
  #tell(index: number, queue: FakeQueue): void {
    if (this.#random.oneIn(8)) return;
    if (this.#random.oneIn(8)) queue.kickWanted = true;
    if (this.#rig.started) this.#rig.kickIfWanted(index);
  }

  /** What came back: checked by the driver, unless it has spoilt its rings itself. */
  #collect(): void {
    for (const queue of this.#rig.driver.queues) {
      if (queue === undefined) continue;
      try {
        const { length } = queue.collect();
        if (!this.#tainted) this.counts.completed += length;
      } catch (error) {
        if (!this.#tainted) throw error;
        return this.#restart("the rings are spoilt");
      }
      if (this.#random.oneIn(2)) queue.wantInterrupts();
      else queue.refuseInterrupts();
    }
  }

  #checkFailure(): void {
    const { failure } = this.#rig;
    const mistakes = [TypeError, RangeError, ReferenceError, assert.AssertionError];
    if ([...mistakes, QueueMisuseError].some((mistake) => failure instanceof mistake)) {
      throw failure;
    }
  }

  #restart(why: string): void {
    this.#note(why);
    if (this.#rig.failure !== undefined) this.counts.failures++;
    this.#rig.reset();
    this.#checkFailure();
    this.#start();
  }

  #start(): void {
    const random = this.#random;
    const { queueSizes, features } = this.#rig.description;
    this.#tainted = false;
    // These don't live long: of all inputs, about half are theirs.
    this.#hostile = !random.oneIn(5);
    this.counts.starts++;
    const layout = random.pick(LAYOUTS);
    const sizes = queueSizes.map((most) => {
      if (random.oneIn(16)) return 0;
      if (random.oneIn(8)) return most;
      // A packed ring may have any size (virtio 1.2, 2.8.10.1).
      const size = layout.packed ? random.between(1, 64) : 1 << random.below(7);
      return Math.min(most, size);
    });
    this.#rig.log.length = 0;
    this.#rig.start({
      ...layout,
      queueSizes: sizes,
      features: random.oneIn(2) ? features : features & BigInt.asUintN(64, this.#anyFeatures()),
    });
  }

  #anyFeatures(): bigint {
    return BigInt(this.#random.u32()) << 32n | BigInt(this.#random.u32());
  }

  #note(what: string): void {
    this.history.push(what);
    if (this.history.length > 4 * HISTORY) this.history.splice(0, 3 * HISTORY);
  }
}

/** The driver can't go on before its device is reset: it has no descriptors or memory left. */
class DriverStuck extends Error {}
