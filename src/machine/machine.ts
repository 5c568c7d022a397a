/**
 * A virtual machine as an object: built from a configuration, started, paused, stopped, and given back.
 * @module
 */
import type { GuestMemory } from "../memory/mod.ts";
import { REQUEST_PAUSE, REQUEST_STOP, type VcpuStop } from "../vcpu/mod.ts";
import {
  buildMachine,
  type BuiltMachine,
  loadMakers,
  type MachineVcpu,
  requestOf,
} from "./boot.ts";
import type { MachineConfig } from "./config.ts";
import { MachineConsole } from "./console.ts";
import type { MachineDevice } from "./io_threads.ts";
import { type CheckedConfig, isChecked } from "./schema.ts";
import type { BusDeviceInfo } from "./user_devices.ts";
import { Settling } from "./settling.ts";
import { freshWorkers, type Workers } from "./workers.ts";
import type { MachineEnd, TimelineEntry } from "./end.ts";

/** A host call failed under a running machine, or the monitor has a bug. The guest is not to blame. */
export class MachineFailedError extends Error {
  override readonly name = "MachineFailedError";
}

/**
 * One virtual machine.
 *
 * ```ts ignore
 * import { Machine } from "denovisor";
 *
 * await using machine = await Machine.create({ kernel: "vmlinuz", initrd: "initrd.cpio" });
 * machine.start();
 * for await (const chunk of machine.console.output) Deno.stdout.writeSync(chunk);
 * console.log(await machine.ended);
 * ```
 */
export class Machine implements AsyncDisposable {
  /** What the guest prints, and how to type at it. */
  readonly console: MachineConsole;
  /**
   * Why the machine has stopped, once it has and its console is read to the end.
   *
   * It rejects with {@linkcode MachineFailedError} only when the monitor itself failed.
   */
  readonly ended: Promise<MachineEnd>;
  readonly #built: BuiltMachine;
  readonly #stack: AsyncDisposableStack;
  readonly #marks: TimelineEntry[];
  readonly #began: number;
  #started = false;
  #stopRequested = false;

  private constructor(
    built: BuiltMachine,
    stack: AsyncDisposableStack,
    marks: TimelineEntry[],
    began: number,
  ) {
    this.#built = built;
    this.#stack = stack;
    this.#marks = marks;
    this.#began = began;
    const [port, ...others] = built.consoles;
    this.console = new MachineConsole(port, others);
    this.ended = this.#watch();
    // Whoever does not look at the end must not be ended by it.
    this.ended.catch(() => {});
  }

  /**
   * Builds a machine: reads the kernel, takes memory from the host, sets up devices and vCPUs. Nothing of the
   * guest runs before {@linkcode start}.
   *
   * @param options.signal gives the building up
   * @param options.log is told what devices have to say to whoever runs the machine, a line at a time
   * @param options.workers lends the Workers that it runs in; each is its own without
   * @throws {ConfigError} naming each field that is wrong
   * @throws {LoaderError} for a kernel, initrd or command line that can't be used
   * @throws {DeviceError} for a device that can't be made as it's wanted
   * @throws {OutOfMemoryError} for more memory than the host can give
   * @throws {KvmUnavailableError} for a host that can't run machines, with the remedy
   * @throws {SysError} for any other call that the host refused
   */
  static async create(
    config: MachineConfig | CheckedConfig,
    options: {
      readonly signal?: AbortSignal;
      readonly log?: (line: string) => void;
      readonly workers?: Workers;
    } = {},
  ): Promise<Machine> {
    const began = performance.now();
    const marks: TimelineEntry[] = [];
    const mark = (step: string) => void marks.push({ step, at: performance.now() - began });
    options.signal?.throwIfAborted();
    // What reads a configuration and what makes devices is loaded where there's something to read and to make.
    let checked = isChecked(config) ? config : (await import("./config.ts")).parseConfig(config);
    const user = checked.userDevices.length === 0
      ? undefined
      : await (await import("./user_devices.ts")).loadUserDevices(
        checked.userDevices,
        options.signal,
      );
    if (user !== undefined) {
      checked = { ...checked, devices: [...checked.devices, ...user.virtio] };
      mark("own devices loaded");
    }
    const makers = await loadMakers(checked, user);
    await using stack = new AsyncDisposableStack();
    const { log = () => {}, workers = freshWorkers } = options;
    const built = buildMachine(checked, stack, mark, log, makers, user, workers);
    options.signal?.throwIfAborted();
    return new Machine(built, stack.move(), marks, began);
  }

  /** The guest's memory. While the guest runs, it changes at any time. */
  get memory(): GuestMemory {
    return this.#built.ram.memory;
  }

  /** What was done so far, from the first step of the start to the guest's end, each with its time and in its order. */
  get timeline(): readonly TimelineEntry[] {
    const { moments: { attached, entered }, spawned } = this.#built.vcpus[0];
    const since = (time: number) => time - this.#began;
    const entries = [...this.#marks];
    const add = (step: string, time: number | undefined, from?: number) => {
      if (time !== undefined) {
        entries.push({ step, at: since(time), ...from && { from: since(from) } });
      }
    };
    add("vCPU's isolate attached", attached, spawned);
    add("guest entered", entered);
    add("guest's first output", this.console.firstByte);
    return entries.sort((a, b) => a.at - b.at);
  }

  /** What this host refused and the guest can do without, a line each. */
  get notes(): readonly string[] {
    return this.#built.notes;
  }

  /** For each vCPU how often it left the guest, by the exit's name. */
  get exits(): readonly Readonly<Record<string, number>>[] {
    return this.#built.vcpus.map(({ exits }) => exits.byName());
  }

  /** The virtio devices, by their names. */
  get devices(): ReadonlyMap<string, MachineDevice> {
    return this.#built.io.devices;
  }

  /** The bus devices that the user has written, by their names. */
  get busDevices(): ReadonlyMap<string, BusDeviceInfo> {
    return this.#built.busDevices;
  }

  /** Lets the vCPUs run for the first time. */
  start(): void {
    if (this.#started) throw new Error("the machine was started already");
    this.#started = true;
    this.#marks.push({ step: "vCPUs started", at: performance.now() - this.#began });
    this.resume();
    this.#stack.use(new Settling());
  }

  /**
   * Takes every vCPU out of the guest, in whatever state it is. When this resolves none runs, none has an access
   * half done, and no device touches the guest's memory.
   */
  async pause(): Promise<void> {
    this.#request(REQUEST_PAUSE);
    await Promise.all(this.#built.vcpus.map(({ control }) => control.settled()));
    await this.#built.io.pause();
  }

  /** Lets every device and every vCPU go on where it was paused. */
  resume(): void {
    if (!this.#started) throw new Error("the machine has not been started");
    this.#built.io.resume();
    for (const { control } of this.#built.vcpus) control.withdraw(REQUEST_PAUSE);
  }

  /** Stops the machine for good, in whatever state it is. A second call does nothing more. */
  async stop(): Promise<void> {
    this.#stopRequested = true;
    this.#request(REQUEST_STOP);
    await this.ended.catch(() => {});
  }

  /** Stops the machine and gives everything back to the host: memory, descriptors, Workers. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#stack.disposeAsync();
  }

  #request(bits: number): void {
    requestOf(this.#built.vcpus, bits);
  }

  /** Waits for the first vCPU that leaves, stops the others, and says what it all means. */
  async #watch(): Promise<MachineEnd> {
    const { vcpus, io } = this.#built;
    const all = vcpus.map(({ thread }: MachineVcpu) => thread.stopped);
    const first = await Promise.race([...all, io.failed]);
    this.#marks.push({ step: "guest's end", at: performance.now() - this.#began });
    this.#request(REQUEST_STOP);
    const stops = await Promise.all(all);
    // What the guest has given to its devices is done before the end is told.
    await io.pause();
    await this.console.finish();
    // A guest that asked for an end while another vCPU was being stopped still asked for it.
    return this.#meaning(first.kind !== "stopped" ? first : stops.find(isOwn) ?? first);
  }

  #meaning(stop: VcpuStop): MachineEnd {
    const { panic } = this.console;
    switch (stop.kind) {
      case "failed":
        throw new MachineFailedError(stop.message);
      case "reset":
      case "power-off":
        return panic === undefined ? stop : { kind: "panic", message: panic };
      case "stopped":
        if (!this.#stopRequested) throw new MachineFailedError("a vCPU stopped unasked");
        return stop;
      default:
        return stop;
    }
  }
}

/** Whether a vCPU stopped for a reason of its own. */
function isOwn(stop: VcpuStop): boolean {
  return stop.kind !== "stopped";
}
