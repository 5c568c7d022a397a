/**
 * A port whose other end is in the main isolate: the machine's console.
 *
 * Two rings in shared memory, and an eventfd that the main isolate signals when it has written or made room.
 * @module
 */
import { EventFd, type IoEvent, type IoScope, signalEventFd } from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import { ByteRing } from "../../byte_ring.ts";
import type { ConsolePort } from "../../device.ts";
import type { DescriptorChain } from "../queue/chain.ts";
import type { OpenBackend, PortBackend, PortEvents } from "./backend.ts";

const OUTPUT_CAPACITY = 1 << 16;
const INPUT_CAPACITY = 1 << 12;
/** Columns and rows, and a word that says that they have changed. */
const SIZE_WORDS = 3;

/** Both ends' shared memory. */
export interface RingSpec {
  /** A {@linkcode ByteRing} from the host to the guest. */
  readonly input: SharedArrayBuffer;
  /** A {@linkcode ByteRing} from the guest to the host. */
  readonly output: SharedArrayBuffer;
  /** The terminal's size. */
  readonly size: SharedArrayBuffer;
  /** The eventfd that wakes the I/O isolate. */
  readonly bell: number;
}

/** Rings that are empty. @param own takes the eventfd over */
export function createRings(own: <T extends Disposable>(resource: T) => T): RingSpec {
  return {
    input: ByteRing.allocate(INPUT_CAPACITY),
    output: ByteRing.allocate(OUTPUT_CAPACITY),
    size: new SharedArrayBuffer(SIZE_WORDS * 4),
    bell: own(new EventFd("the console")).raw,
  };
}

/**
 * The end in the I/O isolate.
 *
 * @param resized is told the terminal's size whenever it has changed
 */
export function ringBackend(
  spec: RingSpec,
  io: IoScope,
  resized: (columns: number, rows: number) => void,
): OpenBackend {
  return (events) => new RingBackend(spec, io, events, resized);
}

class RingBackend implements PortBackend {
  readonly connected = true;
  readonly #input: ByteRing;
  readonly #output: ByteRing;
  readonly #event: IoEvent;
  /** Calls back in the next turn: input may be there when it is asked for. */
  readonly #soon;
  #wantsInput = false;
  #wantsRoom = false;

  constructor(
    spec: RingSpec,
    io: IoScope,
    events: PortEvents,
    resized: (columns: number, rows: number) => void,
  ) {
    this.#input = new ByteRing(spec.input);
    this.#output = new ByteRing(spec.output);
    const size = new Int32Array(spec.size);
    const tell = () => {
      if (this.#wantsInput && this.#input.available > 0) {
        this.#wantsInput = false;
        events.input();
      }
      if (this.#wantsRoom && this.#output.free > 0) {
        this.#wantsRoom = false;
        events.room();
      }
    };
    this.#soon = io.timer(tell);
    this.#event = io.event(spec.bell, () => {
      if (Atomics.exchange(size, 2, 0) === 1) resized(Atomics.load(size, 0), Atomics.load(size, 1));
      tell();
    });
  }

  read(memory: GuestMemory, chain: DescriptorChain): number {
    let done = 0;
    for (let i = chain.readableCount; i < chain.count && this.#input.available > 0; i++) {
      done += this.#input.readInto(memory.slice(chain.addresses[i], chain.lengths[i]));
    }
    return done;
  }

  wantInput(): void {
    this.#wantsInput = true;
    if (this.#input.available > 0) this.#soon.set(0);
  }

  write(memory: GuestMemory, chain: DescriptorChain, skip: number): number {
    let done = 0;
    let before = skip;
    for (let i = 0; i < chain.readableCount; i++) {
      const length = chain.lengths[i];
      if (before >= length) {
        before -= length;
        continue;
      }
      const bytes = memory.slice(chain.addresses[i] + before, length - before);
      const taken = this.#output.writeBytes(bytes);
      done += taken;
      if (taken < bytes.length) {
        this.#wantsRoom = true;
        // Room that was made since is not told any more.
        if (this.#output.free > 0) this.#soon.set(0);
        break;
      }
      before = 0;
    }
    return done;
  }

  rest(): void {
    this.#wantsInput = this.#wantsRoom = false;
    this.#soon.clear();
  }

  close(): void {
    this.#event.close();
  }
}

/** The end in the main isolate. */
export class RingConsole implements ConsolePort {
  readonly #input: ByteRing;
  readonly #output: ByteRing;
  readonly #size: Int32Array<SharedArrayBuffer>;
  readonly #bell: number;
  #closed = false;
  /** Settles when all that was sent so far is in the ring: keeps concurrent sends in order. */
  #sent: Promise<void> = Promise.resolve();

  constructor(spec: RingSpec) {
    this.#input = new ByteRing(spec.input);
    this.#output = new ByteRing(spec.output);
    this.#size = new Int32Array(spec.size);
    this.#bell = spec.bell;
  }

  send(bytes: Uint8Array): Promise<void> {
    const own = bytes.slice();
    const sent = this.#sent.then(() => this.#send(own));
    this.#sent = sent;
    return sent;
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#closed;) {
      if (this.#input.free === 0 && !await this.#input.drained()) return;
      at += this.#input.writeBytes(bytes.subarray(at));
      this.#ring();
    }
  }

  async *output(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    while (await this.#output.waitForData()) {
      const chunk = new Uint8Array(this.#output.available);
      this.#output.readInto(chunk);
      // The other end waits only where the ring was full: what is read then comes, in one chunk or in two, to
      // its capacity.
      if (chunk.length >= OUTPUT_CAPACITY / 2) this.#ring();
      yield chunk;
    }
  }

  resize(columns: number, rows: number): void {
    Atomics.store(this.#size, 0, columns);
    Atomics.store(this.#size, 1, rows);
    Atomics.store(this.#size, 2, 1);
    this.#ring();
  }

  close(): void {
    this.#closed = true;
    this.#input.close();
    this.#output.close();
  }

  /** The machine, whose eventfd it is, outlives its open console. */
  #ring(): void {
    if (!this.#closed) signalEventFd(this.#bell);
  }
}
