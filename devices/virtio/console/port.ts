/**
 * One port at work: bytes from its backend into the guest's buffers, and out of them into the backend.
 * @module
 */
import type { DeviceContext } from "../module.ts";
import { DescriptorChain } from "../queue/chain.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import type { OpenBackend, PortBackend } from "./backend.ts";

/** The most buffers in a turn of the event loop, so that others come to their right. */
const BATCH = 32;

/** One port of a console device. */
export class Port {
  readonly #context: DeviceContext;
  readonly #backend: PortBackend;
  readonly #inputChain: DescriptorChain;
  readonly #outputChain: DescriptorChain;
  readonly #more;
  #receive: Virtqueue | undefined;
  #transmit: Virtqueue | undefined;
  /** Whether a program of the guest's has it open: nothing is sent to it before. */
  #isOpen = false;
  /** How much of the buffer in `#outputChain` is written; undefined where there's none. */
  #written: number | undefined;

  /**
   * @param name for messages and in the guest
   * @param connection is told when somebody has come to the host's end, or has left it
   */
  constructor(
    readonly name: string,
    context: DeviceContext,
    open: OpenBackend,
    connection: () => void,
  ) {
    this.#context = context;
    this.#inputChain = new DescriptorChain(PORT_QUEUE_SIZE);
    this.#outputChain = new DescriptorChain(PORT_QUEUE_SIZE);
    this.#more = context.io.timer(() => {
      this.output();
      this.input();
    });
    this.#backend = open({
      input: () => this.input(),
      room: () => this.output(),
      connection: () => {
        connection();
        // In a turn of its own: that somebody has left is found while a buffer is read into or written from.
        this.#more.set(0);
      },
    });
  }

  /** Whether somebody is at the host's end. */
  get connected(): boolean {
    return this.#backend.connected;
  }

  /** Whether the guest has it open. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The guest opens or closes it. What it has closed gets no more input. */
  setOpen(isOpen: boolean): void {
    this.#isOpen = isOpen;
    if (isOpen) this.input();
  }

  /** The driver is ready. */
  start(receive: Virtqueue | undefined, transmit: Virtqueue | undefined): void {
    this.#receive = receive;
    this.#transmit = transmit;
  }

  /** Gives all buffers back. */
  stop(): void {
    this.#more.clear();
    this.#backend.rest();
    if (this.#written !== undefined) {
      // What was written can't be taken back, and is not to be written twice.
      this.#transmit?.push(this.#outputChain, 0);
      this.#transmit?.flush();
      this.#written = undefined;
    }
    this.#receive = this.#transmit = undefined;
  }

  /** Host to guest, as far as there are bytes and buffers. */
  input(): void {
    const queue = this.#receive;
    if (queue === undefined || !this.#isOpen) return;
    const { memory, metrics } = this.#context;
    const chain = this.#inputChain;
    let served = 0;
    for (; served < BATCH; served++) {
      if (!queue.pop(chain)) break;
      const bytes = this.#backend.read(memory, chain);
      if (bytes === 0 && chain.writableBytes > 0) {
        queue.unpop(chain);
        this.#backend.wantInput();
        break;
      }
      queue.push(chain, bytes);
      metrics.add("inputBytes", bytes);
    }
    queue.flush();
    if (served === BATCH) this.#more.set(0);
  }

  /** Guest to host, as far as there is room. */
  output(): void {
    const queue = this.#transmit;
    if (queue === undefined) return;
    const chain = this.#outputChain;
    let served = 0;
    for (; served < BATCH; served++) {
      if (this.#written === undefined) {
        if (!queue.pop(chain)) break;
        this.#written = 0;
      }
      if (!this.#write(chain)) break;
      queue.push(chain, 0);
      this.#written = undefined;
    }
    queue.flush();
    if (served === BATCH) this.#more.set(0);
  }

  /** Ends it for good. */
  close(): void {
    this.#backend.close();
  }

  /** Writes what is left of the buffer. @returns whether nothing is left */
  #write(chain: DescriptorChain): boolean {
    const { memory, metrics } = this.#context;
    const left = chain.readableBytes - this.#written!;
    if (!this.#backend.connected) {
      metrics.add("droppedBytes", left);
      return true;
    }
    const taken = this.#backend.write(memory, chain, this.#written!);
    // The bytes that show that nobody is there any more have reached nobody.
    metrics.add(this.#backend.connected ? "outputBytes" : "droppedBytes", taken);
    this.#written! += taken;
    return taken === left;
  }
}

/** The descriptors of each queue of a port. */
export const PORT_QUEUE_SIZE = 64;
