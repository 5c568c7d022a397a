/**
 * A machine's console, in the main isolate: a stream of what the guest prints, and a way to type.
 * @module
 */
import type { ConsolePort } from "../../devices/device.ts";
import { PanicScanner } from "../guest/panic.ts";

/** The console of one machine. */
export class MachineConsole {
  readonly #port: ConsolePort;
  readonly #all: readonly ConsolePort[];
  readonly #scanner = new PanicScanner();
  /** There is none before somebody asks for it: the first stream of a process costs it more than a millisecond. */
  #output: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #pumped: Promise<void> | undefined;
  #firstByte: number | undefined;
  #demand = Promise.withResolvers<void>();
  /** Set at the end of the run, or when nobody wants to see the output: then nothing is held back. */
  #unbounded = false;
  #cancelled = false;

  /**
   * @param port the host's end of the device that carries the console
   * @param others what is printed there comes out among the rest: the serial port of a machine whose console is
   *   another device
   */
  constructor(port: ConsolePort, others: readonly ConsolePort[] = []) {
    this.#port = port;
    this.#all = [port, ...others];
  }

  /**
   * What the guest prints, as it comes, to its last byte; it ends when the machine has. A guest that prints
   * faster than this is read waits, so somebody has to read it or cancel it.
   */
  get output(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#output ??= this.#open();
  }

  /**
   * Types `bytes` at the guest's console, after those of earlier calls. Resolves when all are on their way;
   * the guest may have to read some first.
   */
  write(bytes: Uint8Array): Promise<void> {
    return this.#port.send(bytes);
  }

  /** Tells the guest how large the terminal is, where the console's device has a way to. */
  resize(columns: number, rows: number): void {
    this.#port.resize?.(columns, rows);
  }

  /** What the guest's kernel said when it panicked. */
  get panic(): string | undefined {
    return this.#scanner.panic;
  }

  /** The last lines that the guest printed. */
  get lastLines(): readonly string[] {
    return this.#scanner.lastLines;
  }

  /** When the guest's first byte arrived, as performance.now() tells time; undefined before. */
  get firstByte(): number | undefined {
    return this.#firstByte;
  }

  /** Takes over what the guest has printed so far, then ends the output. The guest must have stopped. */
  async finish(): Promise<void> {
    for (const port of this.#all) port.close();
    this.#stopWaiting();
    this.#output ??= this.#open();
    await this.#pumped;
  }

  #stopWaiting(): void {
    this.#unbounded = true;
    this.#demand.resolve();
  }

  /** Begins to take over what the guest prints. */
  #open(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let stream!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
    const output = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => void (stream = controller),
      pull: () => this.#demand.resolve(),
      cancel: () => {
        this.#cancelled = true;
        this.#stopWaiting();
      },
    });
    this.#pumped = Promise.all(this.#all.map((each) => this.#pump(each, stream))).then(() => {
      if (!this.#cancelled) stream.close();
    });
    return output;
  }

  async #pump(
    port: ConsolePort,
    stream: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>,
  ): Promise<void> {
    for await (const chunk of port.output()) {
      this.#firstByte ??= performance.now();
      // On its way first: to read a line with cold code takes as long as the guest took for it.
      if (!this.#cancelled) stream.enqueue(chunk);
      this.#scanner.push(chunk);
      if (this.#cancelled) continue;
      while (!this.#unbounded && (stream.desiredSize ?? 0) <= 0) {
        const demand = this.#demand;
        await demand.promise;
        // Whoever is woken first asks anew; another port's pump then waits for that.
        if (this.#demand === demand) this.#demand = Promise.withResolvers();
      }
    }
  }
}
