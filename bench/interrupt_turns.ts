/**
 * Interrupts by irqfd, timed by their guest: one turn of denovisor, and one of a program in C.
 *
 * The guest (tests/payloads/interrupt_latency.s) causes each interrupt itself, in two ways: by an exit whose answer
 * signals the irqfd, and by an ioeventfd that another thread waits for, which is how a device is kicked and answers. In
 * denovisor that thread is an I/O Worker with its event loop; in C (interrupt_loop.c) one that reads or polls.
 * @module
 */
import { join } from "node:path";
import { EventFd } from "../src/ffi/mod.ts";
import { KVM_IRQ_ROUTING } from "../src/kvm/mod.ts";
import { run } from "../src/rootfs/command.ts";
import { assemble } from "../tests/payloads/assemble.ts";
import { type Percentiles, percentiles } from "./compare/statistics.ts";
import { ExitGuest, PAYLOAD_ADDRESS } from "./exit_guest.ts";
import { BELL_PORT } from "./exit_run_loop.ts";
import { runInWorkers } from "./exit_workers.ts";
import type { InterruptJob } from "./interrupt_worker.ts";

/** The ways to cause an interrupt, in the order in which the guest times them. */
export const WAYS = ["irqfd", "ioeventfd to irqfd"] as const;

/** What the payload and interrupt_loop.c have these values for too. */
const PARAMETERS = 0x1000;
const SAMPLES = 0x10_0000;
const STATUS = 80;
const KICK_PORT = BELL_PORT + 1;
const VECTOR = 0x50;
/** The first that no interrupt controller has a pin for. */
const GSI = 24;
const MESSAGE_ADDRESS = 0xfee0_0000;
const MEMORY = 16 << 20;

/** How long one of them takes, as a first guess of how many fit into the time. */
const INTERRUPT_SECONDS = 40e-6;
/** What p99.9 needs to mean anything, and what fits into the memory. */
const FEWEST = 2000;
const MOST = 1_000_000;

/** A program in C needs no more before it is timed than its caches. */
const C_WARM_UP = 1000;

/** What a turn is to do. */
export interface InterruptWork {
  /** Interrupts of each way that are timed. */
  readonly count: number;
  /** Those of each way that come before, for JavaScript. */
  readonly warmUp: number;
}

/** How many interrupts take about so long, on top of the warm-up. */
export function interruptWork(seconds: number, warmUp: number): InterruptWork {
  const count = Math.round(seconds / WAYS.length / INTERRUPT_SECONDS);
  return { count: Math.min(Math.max(count, FEWEST), MOST), warmUp };
}

/** Both sides, ready to take turns; each turn gives the microseconds of each of {@linkcode WAYS}. */
export class InterruptSides implements AsyncDisposable {
  readonly #folder: string;
  readonly #payload: string;

  private constructor(folder: string, payload: string) {
    this.#folder = folder;
    this.#payload = payload;
  }

  /**
   * Builds the guest, and the program in C.
   *
   * @throws {RootfsError} where gcc or binutils is not installed
   */
  static async create(): Promise<InterruptSides> {
    const payload = await assemble("interrupt_latency", {
      format: "flat",
      address: PAYLOAD_ADDRESS,
      defines: { BELL: BELL_PORT, KICK: KICK_PORT, VECTOR },
    });
    const folder = await Deno.makeTempDir({ prefix: "denovisor-interrupt-" });
    const sides = new InterruptSides(folder, payload.path);
    try {
      const source = join(import.meta.dirname!, "interrupt_loop.c");
      const flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-pthread"];
      await run(["gcc", ...flags, "-o", sides.#program, source]);
    } catch (error) {
      await sides[Symbol.asyncDispose]();
      throw error;
    }
    return sides;
  }

  get #program(): string {
    return join(this.#folder, "interrupt_loop");
  }

  /** How the side in C is started. */
  cCommand(work: InterruptWork, how: "read" | "epoll"): string {
    return ["interrupt_loop", "$GUEST", ...numbers(work), how].join(" ");
  }

  /** One turn of ours. @throws {Error} for a guest that doesn't end as it should */
  async denovisor(work: InterruptWork): Promise<readonly Percentiles[]> {
    using interrupt = new EventFd("the guest's interrupt");
    using kick = new EventFd("the guest's kick");
    using stop = new EventFd("the end of the I/O Worker");
    using guest = ExitGuest.create(await Deno.readFile(this.#payload), MEMORY);
    const { vm, ram: { memory }, jobs: [job] } = guest;
    const msi = { address_lo: MESSAGE_ADDRESS, address_hi: 0, data: VECTOR };
    vm.setGsiRouting([{ gsi: GSI, type: KVM_IRQ_ROUTING.MSI, u: { msi } }]);
    vm.irqfd(interrupt.raw, GSI);
    vm.ioeventfd(kick.raw, { address: KICK_PORT, length: 1, pio: true });
    memory.writeU32(PARAMETERS, work.count);
    memory.writeU32(PARAMETERS + 4, work.warmUp);
    const io = await IoWorker.start({
      kick: kick.raw,
      interrupt: interrupt.raw,
      stop: stop.raw,
    });
    try {
      await runInWorkers(guest, STATUS, [{ ...job, bell: interrupt.raw }]);
    } finally {
      stop.signal();
      await io.stopped();
    }
    return readTurn(work, memory.readBytes(SAMPLES, sampleBytes(work)), vm.getTscKhz());
  }

  /** One turn of the program in C. @throws {CommandError} for a guest that doesn't end as it should */
  async c(work: InterruptWork, how: "read" | "epoll"): Promise<readonly Percentiles[]> {
    const bytes = await run([this.#program, this.#payload, ...numbers(work), how]);
    if (bytes.length !== sampleBytes(work)) {
      throw new Error(`interrupt_loop wrote ${bytes.length} bytes`);
    }
    using guest = ExitGuest.create(new Uint8Array(), SAMPLES);
    return readTurn(work, bytes, guest.vcpus[0].getTscKhz());
  }

  /** Removes what was built for the occasion. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** The arguments of interrupt_loop behind the image. */
function numbers({ count, warmUp }: InterruptWork): string[] {
  return [PAYLOAD_ADDRESS, MEMORY, count, Math.min(warmUp, C_WARM_UP)].map(String);
}

function sampleBytes({ count }: InterruptWork): number {
  return count * WAYS.length * Uint32Array.BYTES_PER_ELEMENT;
}

/** @throws {Error} for a guest that has left times out */
function readTurn(
  { count }: InterruptWork,
  bytes: Uint8Array<ArrayBuffer>,
  tscKhz: number,
): readonly Percentiles[] {
  const ticks = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  if (ticks.includes(0)) throw new Error("the guest did not time all of its interrupts");
  const times = Float64Array.from(ticks, (n) => n * 1e3 / tscKhz);
  return WAYS.map((_, way) => percentiles(times.subarray(way * count, (way + 1) * count)));
}

/** The I/O Worker (interrupt_worker.ts). */
class IoWorker {
  readonly #worker = new Worker(new URL("./interrupt_worker.ts", import.meta.url), {
    type: "module",
  });
  #news = Promise.withResolvers<void>();

  private constructor() {
    this.#worker.onmessage = () => this.#news.resolve();
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#news.reject(new Error(event.message));
    };
  }

  /** Resolves when it serves. */
  static async start(job: InterruptJob): Promise<IoWorker> {
    const io = new IoWorker();
    io.#worker.postMessage(job);
    await io.#news.promise;
    io.#news = Promise.withResolvers();
    return io;
  }

  /** Resolves when it has let go of the eventfds, after its `stop` was signalled. */
  async stopped(): Promise<void> {
    await this.#news.promise;
    this.#worker.terminate();
  }
}
