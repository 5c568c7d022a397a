/**
 * When a vCPU's isolate got somewhere: told by it, read by the isolate that started it.
 *
 * Owner: the vCPU writes each moment once; zero stands for one that has not come. Isolates have clocks of their own,
 * so what is shared is milliseconds since the epoch.
 * @module
 */

const ATTACHED = 0;
const ENTERED = 1;
const MOMENTS = 2;

/** The moments of one vCPU, seen from either side. */
export class VcpuMoments {
  /** To be posted to the other isolate. */
  readonly memory: SharedArrayBuffer;
  readonly #times: BigUint64Array<SharedArrayBuffer>;

  /** Memory for a new vCPU. */
  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(MOMENTS * BigUint64Array.BYTES_PER_ELEMENT);
  }

  /** @param memory what {@linkcode allocate} gave, in this isolate or another */
  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    this.#times = new BigUint64Array(memory);
  }

  /** vCPU side: its isolate is up and attached to the machine. */
  noteAttached(): void {
    this.#note(ATTACHED);
  }

  /** vCPU side: it is about to enter its guest for the first time. */
  noteEntered(): void {
    this.#note(ENTERED);
  }

  /** When it was attached, as performance.now() of the calling isolate tells time; undefined before. */
  get attached(): number | undefined {
    return this.#read(ATTACHED);
  }

  /** When it first entered its guest, likewise. */
  get entered(): number | undefined {
    return this.#read(ENTERED);
  }

  #note(index: number): void {
    const microseconds = Math.round((performance.timeOrigin + performance.now()) * 1000);
    Atomics.store(this.#times, index, BigInt(microseconds));
  }

  #read(index: number): number | undefined {
    const microseconds = Number(Atomics.load(this.#times, index));
    return microseconds === 0 ? undefined : microseconds / 1000 - performance.timeOrigin;
  }
}
