/**
 * What an I/O Worker does from its first message to its last: it serves the devices of one machine or of several from
 * one event loop.
 * @module
 */
import { IoLoop } from "../ffi/mod.ts";
import type { UserModules } from "../../devices/user/modules.ts";
import { failureText } from "./failure.ts";
import type { IoJob, IoLetter, IoMessage } from "./io_job.ts";
import { IoSession } from "./io_session.ts";
import { withUserModules } from "./user_modules.ts";

/** Everything that one Worker serves. */
export class IoServer {
  readonly #post: (letter: IoLetter) => void;
  /** Those under way, by their jobs' numbers. */
  readonly #sessions = new Map<number, IoSession>();
  /** There is one while something is served. */
  #loop: IoLoop | undefined;
  /** The number of the last job that has come. */
  #taken = 0;
  #posted: Int32Array<SharedArrayBuffer> | undefined;

  constructor(post: (letter: IoLetter) => void) {
    this.#post = post;
  }

  /**
   * Takes a job and serves it with the others, until all have ended or another one was posted; what goes wrong is
   * posted.
   */
  take(job: IoJob): void {
    this.#taken = job.number;
    this.#posted = new Int32Array(job.mailbox.posted);
    withUserModules(
      job.userModules,
      (modules) => this.#open(job, modules),
      (error) => this.#failed(job.number, error),
    );
    // Those that were interrupted by the message go on, whatever became of it.
    this.#serve();
  }

  #open(job: IoJob, userModules?: UserModules): void {
    const { number, mailbox: { door } } = job;
    try {
      this.#loop ??= loopWith(door);
      const post = (message: IoMessage) => this.#post({ job: number, message });
      this.#sessions.set(number, new IoSession(job, this.#loop, post, userModules));
    } catch (error) {
      this.#failed(number, error);
    }
    // Where modules had to be imported first, nobody else does.
    if (job.userModules.length > 0) this.#serve();
  }

  /** Turns the loop for as long as there's something to serve and no message to be taken. */
  #serve(): void {
    try {
      while (this.#sessions.size > 0 && !this.#hasMail()) {
        this.#loop!.turn();
        for (const [number, session] of this.#sessions) {
          if (session.isOver) this.#end(number, session);
        }
      }
      if (this.#sessions.size === 0) this.#closeLoop();
    } catch (error) {
      // The loop itself can't go on.
      for (const number of this.#sessions.keys()) this.#failed(number, error);
      this.#sessions.clear();
      this.#closeLoop();
    }
  }

  #hasMail(): boolean {
    // A message may be here before the number is that tells of it.
    return this.#posted !== undefined && Atomics.load(this.#posted, 0) > this.#taken;
  }

  #end(number: number, session: IoSession): void {
    this.#sessions.delete(number);
    // The last one's end is answered when nothing of it is left in the kernel.
    try {
      session.end();
    } catch (error) {
      this.#failed(number, error);
    }
  }

  #failed(number: number, error: unknown): void {
    this.#post({ job: number, message: { kind: "failed", error: failureText(error) } });
  }

  #closeLoop(): void {
    const loop = this.#loop;
    this.#loop = undefined;
    loop?.[Symbol.dispose]();
  }
}

/** An event loop that is woken when a message was posted. */
function loopWith(door: number): IoLoop {
  const loop = new IoLoop();
  const scope = loop.scope((error) => {
    throw error;
  });
  scope.event(door, () => {
    // A turn that ends is all that is wanted.
  });
  return loop;
}
