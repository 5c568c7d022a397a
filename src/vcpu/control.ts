/**
 * How a vCPU is told to pause, go on or stop, and tells what it does.
 *
 * A vCPU's thread sits in KVM_RUN and sees no message. So a request is a bit in shared memory plus a kick:
 *
 * - The kicker stores the request, then sets `immediate_exit` in the kvm_run page, then sends the signal.
 * - The vCPU clears `immediate_exit`, then looks at the requests, then enters KVM_RUN.
 *
 * Whichever order the two interleave in, the vCPU either sees the request before it enters, or KVM sees
 * `immediate_exit`, or the signal interrupts KVM_RUN. A signal alone would be lost between look and entry.
 *
 * Owner of each word: `requests` is written by anyone, `state` and `thread` by the vCPU, `run.immediate_exit`
 * as above.
 * @module
 */
import { waitForChange } from "../bus/mod.ts";
import { kickThread } from "../ffi/signal.ts";

/** A vCPU has to park until it is resumed. */
export const REQUEST_PAUSE = 1;
/** A vCPU has to leave its run loop. It outranks a pause. */
export const REQUEST_STOP = 2;

/** What a vCPU does; the values of the state word. */
export const VcpuState = {
  /** Its Worker has not come to the run loop yet. */
  created: 0,
  /** It is in the guest, or serves an exit. */
  running: 1,
  /** It is parked, with no exit half done, so that its state can be read. */
  paused: 2,
  /** It has left the run loop for good. */
  stopped: 3,
} as const;

const REQUESTS = 0;
const STATE = 1;
const THREAD = 2;
const WORDS = 4;

/** What is posted to a vCPU's Worker so that it can attach. */
export interface VcpuControlSpec {
  readonly words: SharedArrayBuffer;
}

/** The shared words of one vCPU, seen from either side. */
export class VcpuControl {
  readonly spec: VcpuControlSpec;
  readonly #words: Int32Array<SharedArrayBuffer>;

  private constructor(spec: VcpuControlSpec) {
    this.spec = spec;
    this.#words = new Int32Array(spec.words);
  }

  /** The words of a new vCPU, which is to park before it first enters its guest. */
  static create(): VcpuControl {
    const control = new VcpuControl({ words: new SharedArrayBuffer(WORDS * 4) });
    Atomics.store(control.#words, REQUESTS, REQUEST_PAUSE);
    return control;
  }

  /** The same words in another isolate. */
  static attach(spec: VcpuControlSpec): VcpuControl {
    return new VcpuControl(spec);
  }

  /** The bits that were requested and not withdrawn. */
  get requests(): number {
    return Atomics.load(this.#words, REQUESTS);
  }

  /** One of {@linkcode VcpuState}. */
  get state(): number {
    return Atomics.load(this.#words, STATE);
  }

  /**
   * Adds a request and takes the vCPU out of its guest.
   *
   * @param setImmediateExit stores 1 to `immediate_exit` of this vCPU's kvm_run page
   */
  request(bits: number, setImmediateExit: () => void): void {
    Atomics.or(this.#words, REQUESTS, bits);
    Atomics.notify(this.#words, REQUESTS);
    setImmediateExit();
    const thread = Atomics.load(this.#words, THREAD);
    if (thread !== 0) kickThread(thread);
  }

  /** Adds a request from the vCPU's own thread, which looks at it before it enters again. */
  requestOwn(bits: number): void {
    Atomics.or(this.#words, REQUESTS, bits);
  }

  /** Withdraws a request: what a resume does with a pause. */
  withdraw(bits: number): void {
    Atomics.and(this.#words, REQUESTS, ~bits);
    Atomics.notify(this.#words, REQUESTS);
  }

  /** vCPU side: tells whom to kick. Called once, before the first entry. */
  enterThread(thread: number): void {
    Atomics.store(this.#words, THREAD, thread);
  }

  /** vCPU side: tells what it does. */
  setState(state: number): void {
    Atomics.store(this.#words, STATE, state);
    Atomics.notify(this.#words, STATE);
  }

  /** vCPU side: says that it is gone; nobody kicks the thread's number any more, which the host may reuse. */
  leave(): void {
    Atomics.store(this.#words, THREAD, 0);
    this.setState(VcpuState.stopped);
  }

  /** vCPU side: blocks while a pause, and no stop, is requested. */
  park(): void {
    this.setState(VcpuState.paused);
    for (;;) {
      const requests = this.requests;
      if ((requests & REQUEST_STOP) !== 0 || (requests & REQUEST_PAUSE) === 0) break;
      Atomics.wait(this.#words, REQUESTS, requests);
    }
    this.setState(VcpuState.running);
  }

  /** Resolves once the vCPU is parked or has stopped. */
  async settled(): Promise<void> {
    for (;;) {
      const state = this.state;
      if (state === VcpuState.paused || state === VcpuState.stopped) return;
      await waitForChange(this.#words, STATE, state);
    }
  }
}
