/**
 * A virtual machine as a script or a test uses it: one object from its start to its end, resets included.
 * @module
 */
import {
  type BusDeviceInfo,
  Machine as Core,
  type MachineDevice,
  type MachineEnd,
  type TimelineEntry,
  type Workers,
} from "../machine/mod.ts";
import type { Guest, GuestProcess, SpawnOptions } from "../guest/agent/mod.ts";
import { onRestart } from "../host/restart.ts";
import type { GuestMemory } from "../memory/mod.ts";
import { Broadcast } from "./broadcast.ts";
import { prepare, type Prepared, type StartConfig } from "./config.ts";
import { VmConsole } from "./console.ts";
import { Agent } from "./agent.ts";
import { VmEndedError, VmTimeoutError } from "./errors.ts";
import { entryOf } from "./entry.ts";
import { newsOf, type VmEvent, type VmNews } from "./event.ts";
import { metricsOf, type VmMetrics } from "./metrics.ts";
import type { BootOptions, StartOptions, VmState } from "./options.ts";
import { waitFor, type WaitOptions } from "./waiting.ts";

/** How many events are kept for whoever looks later. */
const KEPT_EVENTS = 1000;

/** How long a guest may take to boot, where nothing else was said: a host that is emulated itself takes a minute. */
const BOOT_TIMEOUT = "5m";

/**
 * One virtual machine.
 *
 * ```ts ignore
 * import { Machine } from "denovisor";
 *
 * await using vm = await Machine.start({ rootfs: "./rootfs", memory: "512M", cpus: 2 });
 * const { code, stdoutText } = await vm.guest.exec(["uname", "-r"]);
 *
 * await using other = await Machine.start({ kernel: "vmlinuz", initrd: "initrd.cpio" });
 * await other.console.expect("login: ", { timeout: "30s" });
 * await other.console.sendLine("root");
 * ```
 */
export class Machine implements AsyncDisposable {
  /** What the guest prints, and how to type at it. */
  readonly console: VmConsole;
  /**
   * Why the machine has ended; a reset is no end where `onReset` is `"restart"`, or {@linkcode reset} was called.
   *
   * It rejects with {@linkcode MachineFailedError} only when the monitor itself failed.
   */
  readonly ended: Promise<MachineEnd>;
  readonly #ended = Promise.withResolvers<MachineEnd>();
  readonly #events = new Broadcast<VmEvent>(KEPT_EVENTS);
  readonly #prepared: Prepared;
  readonly #signal: AbortSignal | undefined;
  readonly #workers: Workers | undefined;
  readonly #began = performance.now();
  #core: Core;
  #agent: Agent | undefined;
  #following: Promise<void>;
  #state: VmState = "created";
  #resetting: Promise<void> | undefined;
  #isStopping = false;
  #disposed: Promise<void> | undefined;
  readonly #abort = () => void this.stop();
  readonly #restarts = onRestart(() => void this[Symbol.asyncDispose]());

  private constructor(core: Core, prepared: Prepared, options: StartOptions) {
    this.#core = core;
    this.#prepared = prepared;
    this.#signal = options.signal;
    this.#workers = options.workers;
    this.ended = this.#ended.promise;
    // Whoever does not look at the end must not be ended by it.
    this.ended.catch(() => {});
    this.console = new VmConsole((message) => this.#tell({ kind: "panic", message }));
    this.#following = this.console.follow(core.console);
    this.#agent = this.#agentOf(core);
    this.#signal?.addEventListener("abort", this.#abort, { once: true });
    this.#watch(core);
  }

  /**
   * Builds a machine: reads the kernel, takes memory from the host, sets up devices and vCPUs. Nothing of the
   * guest runs before {@linkcode Machine.start | start} of the object.
   *
   * @throws {ConfigError} naming each field that is wrong
   * @throws {LoaderError} for a kernel, initrd or command line that can't be used
   * @throws {DeviceError} for a device that can't be made as it's wanted
   * @throws {OutOfMemoryError} for more memory than the host can give
   * @throws {KvmUnavailableError} for a host that can't run machines, with the remedy
   * @throws {SysError} for any other call that the host refused
   */
  static async create(config: StartConfig, options: StartOptions = {}): Promise<Machine> {
    const { signal, workers } = options;
    signal?.throwIfAborted();
    const prepared = await prepare(config, options);
    // What is said before there is somebody to tell it.
    const early: string[] = [];
    let log: (line: string) => void = (line) => early.push(line);
    try {
      const core = await Core.create(prepared.config, {
        signal,
        workers,
        log: (line) => log(line),
      });
      const machine = new Machine(core, prepared, options);
      log = (line) => machine.#log(line);
      for (const line of early) machine.#log(line);
      return machine;
    } catch (error) {
      await prepared[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Builds a machine and starts it. With a root file system, it resolves when the guest takes commands.
   *
   * @throws what {@linkcode create} throws
   * @throws {VmTimeoutError | VmEndedError} when the guest's agent does not come up
   * @throws the signal's reason, when it aborts before the machine is up
   */
  static async start(config: StartConfig, options: BootOptions = {}): Promise<Machine> {
    const { timeout = BOOT_TIMEOUT, signal } = options;
    const machine = await Machine.create(config, options);
    try {
      machine.start();
      if (machine.#agent !== undefined) await machine.event("ready", { timeout, signal });
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What the machine does now. */
  get state(): VmState {
    return this.#state;
  }

  /**
   * The guest, by the agent that runs in it. What is asked before it is up waits for it; a reset ends what is under way,
   * and brings another guest.
   *
   * @throws {TypeError} for a machine without a root file system, which has no agent
   */
  get guest(): Guest {
    if (this.#agent === undefined) {
      throw new TypeError("this machine has no agent; give it a `rootfs`, or use its console");
    }
    return this.#agent.guest;
  }

  /**
   * Runs what the OCI image that the machine was started from says is to be run: as its user, with its variables, in
   * its folder.
   *
   * @throws {TypeError} where the root is no OCI image, or the image names no command
   */
  async spawnEntry(options: SpawnOptions = {}): Promise<GuestProcess> {
    const { command, ...entry } = entryOf(this.#prepared, options);
    return await this.guest.spawn(command, entry);
  }

  /** The guest's memory. While the guest runs, it changes at any time; a reset brings another. */
  get memory(): GuestMemory {
    return this.#core.memory;
  }

  /** The virtio devices, by their names. */
  get devices(): ReadonlyMap<string, MachineDevice> {
    return this.#core.devices;
  }

  /** The bus devices that the user has written, by their names. */
  get busDevices(): ReadonlyMap<string, BusDeviceInfo> {
    return this.#core.busDevices;
  }

  /** For each vCPU how often it left the guest, by the exit's name. */
  get exits(): readonly Readonly<Record<string, number>>[] {
    return this.#core.exits;
  }

  /** The steps of the last start, each with its time. */
  get timeline(): readonly TimelineEntry[] {
    return this.#core.timeline;
  }

  /** What this host refused and the guest can do without, a line each. */
  get notes(): readonly string[] {
    return this.#core.notes;
  }

  /** All counters of the machine, as they are now. */
  get metrics(): VmMetrics {
    return metricsOf(this.#core, performance.now() - this.#began);
  }

  /**
   * What happens to the machine, from its creation to its end.
   *
   * ```ts ignore
   * for await (const event of vm.events()) {
   *   if (event.kind === "panic") console.error(event.message);
   * }
   * ```
   */
  events(): AsyncIterableIterator<VmEvent> {
    return this.#events.receive();
  }

  /**
   * Waits for an event, one that has come already included.
   *
   * @throws {VmEndedError} when the machine ends without it
   * @throws {VmTimeoutError} when it takes too long; ten seconds by default
   */
  async event<K extends VmEvent["kind"]>(
    kind: K,
    options: WaitOptions = {},
  ): Promise<Extract<VmEvent, { readonly kind: K }>> {
    const find = async (): Promise<Extract<VmEvent, { readonly kind: K }>> => {
      for await (const event of this.events()) {
        if (event.kind === kind) return event as Extract<VmEvent, { readonly kind: K }>;
      }
      throw this.#gone(`the machine has ended without ${kind}`);
    };
    return await waitFor(find(), options, (timeout) => this.#late(`no ${kind} within ${timeout}`));
  }

  /** Lets the vCPUs run for the first time. */
  start(): void {
    this.#core.start();
    this.#state = "running";
    this.#tell({ kind: "started" });
  }

  /** Takes every vCPU out of the guest, in whatever state it is, and lets its devices touch nothing. */
  async pause(): Promise<void> {
    this.#expectState("running", "paused");
    await this.#core.pause();
    if (this.#state !== "running") return;
    this.#state = "paused";
    this.#tell({ kind: "paused" });
  }

  /** Lets every device and every vCPU go on where it was paused. */
  resume(): void {
    this.#expectState("running", "paused");
    this.#core.resume();
    if (this.#state === "running") return;
    this.#state = "running";
    this.#tell({ kind: "resumed" });
  }

  /**
   * Starts the guest from the beginning, as the reset button does: with new memory and new devices, and the same
   * disks. When this resolves, it runs.
   *
   * @throws {VmEndedError} when the machine has ended
   * @throws what {@linkcode create} throws; the machine has ended then
   */
  async reset(): Promise<void> {
    if (this.#state === "ended") throw this.#gone("the machine has ended, and can't be reset");
    await (this.#resetting ??= this.#restart("host"));
  }

  /** Stops the machine for good, in whatever state it is. A second call does nothing more. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#core.stop();
    await this.ended.catch(() => {});
  }

  /**
   * Stops the machine and gives everything back to the host: memory, descriptors, Workers, files.
   *
   * Where a watching Deno begins anew, that happens by itself.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#disposed ??= this.#dispose());
  }

  async #dispose(): Promise<void> {
    await this.stop();
    await this.#core[Symbol.asyncDispose]();
    await this.#prepared[Symbol.asyncDispose]();
    // A signal may outlive many machines.
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#restarts[Symbol.dispose]();
  }

  /** Listens for the agent of a machine that was built, and is not started. */
  #agentOf(core: Core): Agent | undefined {
    const { agent } = this.#prepared;
    if (agent === undefined) return undefined;
    const made = new Agent(agent, () => this.console.lastLines);
    made.ready.then(() => {
      if (core === this.#core && this.#state !== "ended") this.#tell({ kind: "ready" });
    }, () => {
      // The machine has ended before, which is told by other events.
    });
    return made;
  }

  /** Follows one life of the machine to its end. */
  async #watch(core: Core): Promise<void> {
    let end: MachineEnd;
    const agent = this.#agent;
    try {
      end = await core.ended;
      agent?.gone(`the machine has ended (${end.kind})`);
      await this.#following;
    } catch (error) {
      agent?.gone(`the machine has failed: ${error instanceof Error ? error.message : error}`);
      // A reset takes a life away; whatever happens to it then is the reset's.
      if (this.#resetting !== undefined) return;
      this.#fail(error);
      return;
    }
    if (this.#resetting !== undefined) return;
    if (end.kind === "reset" && this.#prepared.onReset === "restart" && !this.#isStopping) {
      // An error has ended the machine, which is told by `ended`.
      await (this.#resetting = this.#restart(end.source)).catch(() => {});
      return;
    }
    this.#finish(end);
  }

  /** Ends this life and begins the next. */
  async #restart(source: string): Promise<void> {
    try {
      this.#agent?.gone("the machine was reset");
      await this.#core[Symbol.asyncDispose]();
      await this.#following;
      this.#tell({ kind: "reset", source });
      const core = await Core.create(this.#prepared.config, {
        signal: this.#signal,
        workers: this.#workers,
        log: (line) => this.#log(line),
      });
      this.#core = core;
      this.#following = this.console.follow(core.console);
      this.#agent = this.#agentOf(core);
      this.#resetting = undefined;
      this.#watch(core);
      if (this.#isStopping) await core.stop();
      else this.start();
    } catch (error) {
      this.#resetting = undefined;
      if (this.#isStopping) this.#finish({ kind: "stopped" });
      else this.#fail(error);
      throw error;
    }
  }

  #finish(end: MachineEnd): void {
    this.#state = "ended";
    const news = newsOf(end);
    if (news !== undefined) this.#tell(news);
    this.console.end();
    this.#events.end();
    this.#ended.resolve(end);
  }

  #fail(error: unknown): void {
    this.#state = "ended";
    const message = error instanceof Error ? error.message : String(error);
    this.#tell({ kind: "failed", message });
    this.console.end();
    this.#events.end();
    this.#ended.reject(error);
  }

  /** Takes a line of the core's: of a device, where it begins with its name. */
  #log(line: string): void {
    const [, device, message] = /^([^:]+): ([^]*)$/.exec(line) ?? [];
    const { devices, busDevices } = this.#core;
    const isDevice = device !== undefined && (devices.has(device) || busDevices.has(device));
    this.#tell(isDevice ? { kind: "device", device, message } : { kind: "log", message: line });
  }

  #tell(news: VmNews): void {
    const at = performance.now() - this.#began;
    this.#events.send({ ...news, at });
  }

  #expectState(...states: readonly VmState[]): void {
    if (states.includes(this.#state)) return;
    if (this.#state === "ended") throw this.#gone("the machine has ended");
    throw new Error(`the machine is ${this.#state}, not ${states.join(" or ")}`);
  }

  #gone(problem: string): VmEndedError {
    return new VmEndedError(problem, this.console.lastLines);
  }

  #late(problem: string): VmTimeoutError {
    return new VmTimeoutError(problem, this.console.lastLines);
  }
}
