/**
 * I/O Workers, as the main isolate holds them: each serves the devices of one machine or of several.
 *
 * A process has no more of those that are shared than its host has processors, however many machines it has: a Worker
 * takes megabytes, and what one of them serves does not need a thread for each machine.
 * @module
 */
import { EventFd } from "../ffi/mod.ts";
import type { IoJob, IoLetter, IoMailbox, IoMessage } from "./io_job.ts";
import type { Workers } from "./workers.ts";

/** Who gave a Worker something to serve. */
export interface IoSeat {
  /** What the Worker says of it. */
  take(message: IoMessage): void;
  /** The Worker has failed as a whole. */
  fail(error: string): void;
}

/** The Workers that further machines may join. */
const shared: IoHost[] = [];

/** One Worker. */
export class IoHost {
  readonly #worker: Worker;
  readonly #workers: Workers;
  readonly #posted = new Int32Array(new SharedArrayBuffer(4));
  readonly #door: EventFd;
  readonly #mailbox: IoMailbox;
  readonly #seats = new Set<IoSeat>();
  /** Those whose jobs were posted, by the jobs' numbers. */
  readonly #jobs = new Map<number, IoSeat>();
  /** Whether nothing is in the Worker that another machine must not meet. */
  #isClean = true;

  private constructor(name: string, workers: Workers) {
    this.#workers = workers;
    this.#door = new EventFd(`jobs of ${name}`);
    this.#mailbox = { posted: this.#posted.buffer, door: this.#door.raw };
    this.#worker = workers.take("io", name);
    this.#worker.onmessage = ({ data: { job, message } }: MessageEvent<IoLetter>) => {
      if (message.kind === "failed") this.#taint();
      this.#jobs.get(job)?.take(message);
    };
    this.#worker.onerror = (event) => {
      // Without this, an error in the Worker would end the whole process.
      event.preventDefault();
      this.#taint();
      for (const seat of this.#seats) seat.fail(event.message);
    };
  }

  /** A Worker that nobody else joins. */
  static own(name: string, workers: Workers): IoHost {
    return new IoHost(name, workers);
  }

  /** A new Worker while there are fewer than processors, then the one with the fewest machines. */
  static shared(workers: Workers): IoHost {
    if (shared.length >= navigator.hardwareConcurrency) {
      return shared.reduce((a, b) => b.#seats.size < a.#seats.size ? b : a);
    }
    const host = new IoHost("io", workers);
    shared.push(host);
    return host;
  }

  /** Keeps the Worker for somebody, until {@linkcode leave}. */
  join(seat: IoSeat): void {
    this.#seats.add(seat);
  }

  /** Gives the Worker a job. */
  post(seat: IoSeat, job: Omit<IoJob, "number" | "mailbox">): void {
    // What the user has written stays in it.
    if (job.userModules.length > 0) this.#taint();
    const number = this.#posted[0] + 1;
    this.#jobs.set(number, seat);
    this.#worker.postMessage({ ...job, number, mailbox: this.#mailbox } satisfies IoJob);
    // The Worker has to look for the message only when it's on its way.
    Atomics.store(this.#posted, 0, number);
    this.#door.signal();
  }

  /** Somebody needs it no longer: their job was stopped, has failed, or was never posted. */
  leave(seat: IoSeat): void {
    for (const [number, other] of this.#jobs) if (other === seat) this.#jobs.delete(number);
    if (!this.#seats.delete(seat) || this.#seats.size > 0) return;
    this.#retire();
    if (this.#isClean) this.#workers.giveBack("io", this.#worker);
    else this.#worker.terminate();
    this.#door[Symbol.dispose]();
  }

  #taint(): void {
    this.#isClean = false;
    this.#retire();
  }

  /** Nobody joins it any more. */
  #retire(): void {
    const at = shared.indexOf(this);
    if (at >= 0) shared.splice(at, 1);
  }
}
