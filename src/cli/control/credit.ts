/**
 * Input over a control connection, without its holding up what comes behind it.
 *
 * A guest that does not read its input must not keep a signal from coming through. So a sender has at most
 * {@linkcode WINDOW} bytes on their way; the receiver keeps as many, and gives credit for what was taken.
 * @module
 */
import { News } from "../../guest/news.ts";
import { ProtocolError } from "./frames.ts";

/** The most bytes that are on their way. */
export const WINDOW = 256 << 10;

/** The most bytes of one piece, so that credit comes in time. */
const PIECE = 16 << 10;

/** The sender's side. */
export class Outgoing {
  readonly #send: (bytes: Uint8Array) => Promise<void>;
  #credit = WINDOW;
  readonly #more = new News();

  /** @param send passes bytes on, which are not used after it resolves */
  constructor(send: (bytes: Uint8Array) => Promise<void>) {
    this.#send = send;
  }

  /** Sends bytes as there's credit for them. Only one call at a time. */
  async send(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      while (this.#credit === 0) await this.#more.next;
      const piece = bytes.subarray(done, done + Math.min(PIECE, this.#credit));
      this.#credit -= piece.length;
      done += piece.length;
      await this.#send(piece);
    }
  }

  /** The receiver has taken so many bytes. @throws {ProtocolError} more than were sent */
  give(bytes: number): void {
    if (this.#credit + bytes > WINDOW) {
      throw new ProtocolError("credit for bytes that were not sent");
    }
    this.#credit += bytes;
    this.#more.tell();
  }
}

/** The receiver's side. */
export class Incoming {
  readonly #take: (bytes: Uint8Array) => Promise<void>;
  readonly #credit: (bytes: number) => void;
  readonly #waiting: Uint8Array[] = [];
  #held = 0;
  #isEnded = false;
  #isTaking = false;
  #end: () => void | Promise<void>;

  /**
   * @param take takes bytes; where it rejects nothing more is taken, and all else is thrown away
   * @param credit is told how many bytes were taken
   * @param end is called when all is taken and nothing more will come
   */
  constructor(
    take: (bytes: Uint8Array) => Promise<void>,
    credit: (bytes: number) => void,
    end: () => void | Promise<void> = () => {},
  ) {
    this.#take = take;
    this.#credit = credit;
    this.#end = end;
  }

  /** Keeps bytes to be taken. @throws {ProtocolError} the sender had no credit for them, or had ended */
  push(bytes: Uint8Array): void {
    if (this.#isEnded) throw new ProtocolError("input behind the end of the input");
    if (this.#held + bytes.length > WINDOW) throw new ProtocolError("input without credit");
    if (bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#held += bytes.length;
    void this.#run();
  }

  /** Nothing more will come. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    if (this.#isTaking) return;
    this.#isTaking = true;
    let isRefused = false;
    for (let bytes = this.#waiting.shift(); bytes !== undefined; bytes = this.#waiting.shift()) {
      // Whoever takes no more has ended, or has closed its input; the sender may still send.
      if (!isRefused) await this.#take(bytes).catch(() => (isRefused = true));
      this.#held -= bytes.length;
      this.#credit(bytes.length);
    }
    this.#isTaking = false;
    if (!this.#isEnded) return;
    try {
      await this.#end();
    } catch {
      // It is closed already.
    }
  }
}
