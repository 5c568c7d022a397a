/**
 * The I/O threads of a machine: one that serves its devices, maybe with those of other machines, and one more for each
 * device that wants its own.
 * @module
 */
import { probeIoUring, SysError } from "../ffi/mod.ts";
import type { GuestMemorySpec } from "../memory/mod.ts";
import type { VcpuStop } from "../vcpu/mod.ts";
import { Metrics, type MetricsSpec } from "../../devices/metrics.ts";
import type { DeviceConfig } from "./device_config.ts";
import { IoHost } from "./io_host.ts";
import { IoThread } from "./io_thread.ts";
import type { ServedDevice } from "./virtio_devices.ts";
import { freshWorkers, type Workers } from "./workers.ts";

/** This host gives no event loop to the threads that serve devices. */
export class IoUringUnavailableError extends Error {
  override readonly name = "IoUringUnavailableError";
}

/** One device of a machine, as its owner sees it while the machine runs. */
export class MachineDevice {
  readonly #thread: IoThread;
  readonly #metrics: Metrics;

  constructor(
    /** Its name, unlike every other's. */
    readonly id: string,
    /** Its kind, such as `"block"`. */
    readonly kind: string,
    thread: IoThread,
    metrics: MetricsSpec,
  ) {
    this.#thread = thread;
    this.#metrics = new Metrics(metrics);
  }

  /** Its counters, as they are now. */
  get metrics(): Readonly<Record<string, number>> {
    return this.#metrics.read();
  }

  /**
   * Asks it for something that its kind knows: `command("limits", { iops: "1000/s" })` of a disk.
   *
   * @returns its answer, as JSON has it
   * @throws {DeviceCommandError} why it doesn't
   */
  command(name: string, argument?: unknown): Promise<unknown> {
    return this.#thread.command({ name: "device", device: this.id, command: name, argument });
  }
}

/** All I/O threads of one machine; none where it has no devices for them. */
export class IoThreads implements AsyncDisposable {
  /** Resolves when a thread can't go on. */
  readonly failed: Promise<VcpuStop>;
  /** The devices by name, once they are served. */
  readonly devices = new Map<string, MachineDevice>();
  readonly #shared: IoThread | undefined;
  readonly #own = new Map<string, IoThread>();

  /**
   * Spawns the threads that the devices need.
   *
   * @param alone whether no other machine's devices may be in the same threads: with code of the user's own, which
   *   may do anything, and whose modules can be imported only while nothing is served
   * @throws {IoUringUnavailableError}
   */
  constructor(
    devices: readonly DeviceConfig[],
    log: (line: string) => void,
    workers: Workers = freshWorkers,
    alone: boolean = false,
  ) {
    const failed = Promise.withResolvers<VcpuStop>();
    this.failed = failed.promise;
    if (devices.length > 0) checkIoUring();
    const events = {
      log,
      failed: (message: string) => failed.resolve({ kind: "failed", message }),
    };
    if (devices.some(({ thread }) => thread === "shared")) {
      this.#shared = new IoThread(
        "io",
        events,
        alone ? IoHost.own("io", workers) : IoHost.shared(workers),
      );
    }
    for (const { id, thread } of devices) {
      if (thread === "own") {
        this.#own.set(id, new IoThread(`io-${id}`, events, IoHost.own(`io-${id}`, workers)));
      }
    }
  }

  /**
   * Hands the devices to the threads.
   *
   * @param userModules the URLs of the modules that the user's own are written in
   */
  run(
    memory: GuestMemorySpec,
    devices: readonly ServedDevice[],
    userModules: readonly string[] = [],
  ): void {
    const groups = new Map<IoThread, ServedDevice[]>();
    for (const device of devices) {
      const { id } = device.config;
      const thread = this.#own.get(id) ?? this.#shared;
      if (thread === undefined) throw new Error(`no thread was spawned for ${id}`);
      groups.set(thread, [...groups.get(thread) ?? [], device]);
      const { kind } = device.config;
      this.devices.set(id, new MachineDevice(id, kind, thread, device.runner.metrics));
    }
    for (const [thread, served] of groups) {
      // A failure is told by `failed`.
      const own = userModules.filter((url) => served.some(({ config }) => config.kind === url));
      thread.run(memory, served.map(({ runner }) => runner), own).catch(() => {});
    }
  }

  /** Resolves when no device touches the guest's memory any more. The vCPUs are paused already. */
  async pause(): Promise<void> {
    // A thread that has failed touches nothing.
    await Promise.allSettled(this.#all.map((thread) => thread.command({ name: "pause" })));
  }

  /** Lets the devices go on. */
  resume(): void {
    for (const thread of this.#all) thread.command({ name: "resume" }).catch(() => {});
  }

  /** Ends all threads, when their devices have ended what they had begun. A second call does nothing more. */
  async release(): Promise<void> {
    await Promise.all(this.#all.map((thread) => thread.release()));
  }

  /** The same as {@linkcode release}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  get #all(): IoThread[] {
    return [...this.#shared === undefined ? [] : [this.#shared], ...this.#own.values()];
  }
}

function checkIoUring(): void {
  try {
    probeIoUring();
  } catch (cause) {
    if (!(cause instanceof SysError)) throw cause;
    throw new IoUringUnavailableError(
      `virtio devices need io_uring, and this host refuses it: ${cause.message}; ` +
        "set sysctl kernel.io_uring_disabled=0, or allow io_uring in the container's seccomp profile",
      { cause },
    );
  }
}
