/**
 * A machine's console for any number of clients beside its own terminal.
 *
 * What the guest prints is handed over without waiting for anybody: a client that reads slowly loses what is in its
 * queue, and is told how much.
 * @module
 */
import { News } from "../../guest/news.ts";
import type { SharedConsole, Size } from "./controlled.ts";

/** How much of what was printed is shown to who comes later: so many lines, and bytes. */
const REPLAY_LINES = 50;
const REPLAY_BYTES = 16 << 10;

/** The most bytes that wait for a client. */
export const CLIENT_LIMIT = 1 << 20;

const LINE_FEED = 0x0a;

/** One client's queue. */
class Follower {
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;
  #lost = 0;
  #isEnded = false;
  readonly #news = new News();

  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.#bytes += bytes.length;
    while (this.#bytes > CLIENT_LIMIT) {
      const { length } = this.#chunks.shift()!;
      this.#bytes -= length;
      this.#lost += length;
    }
    this.#news.tell();
  }

  end(): void {
    this.#isEnded = true;
    this.#news.tell();
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      if (this.#lost > 0) {
        const text = `\r\n[denovisor: ${this.#lost} bytes are left out]\r\n`;
        this.#lost = 0;
        yield new TextEncoder().encode(text);
      }
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#bytes -= chunk.length;
        yield chunk;
      } else if (this.#isEnded) {
        return;
      } else {
        await this.#news.next;
      }
    }
  }
}

/** Where a console's output is spread, and its input is brought together. */
export class ConsoleHub implements SharedConsole {
  readonly #followers = new Set<Follower>();
  #recent: Uint8Array[] = [];
  #recentBytes = 0;
  #isEnded = false;

  constructor(
    readonly type: (bytes: Uint8Array) => Promise<void>,
    readonly resize: (size: Size) => void,
  ) {}

  /** The guest has printed; the bytes are not changed later. */
  print(bytes: Uint8Array): void {
    for (const follower of this.#followers) follower.push(bytes);
    this.#recent.push(bytes);
    this.#recentBytes += bytes.length;
    // At least as much as is shown is kept, and not much more.
    while (this.#recentBytes - this.#recent[0].length >= REPLAY_BYTES) {
      this.#recentBytes -= this.#recent.shift()!.length;
    }
  }

  /** Nothing more will be printed. */
  end(): void {
    this.#isEnded = true;
    for (const follower of this.#followers) follower.end();
  }

  async *follow(signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const follower = new Follower();
    const stop = () => follower.end();
    const recent = lastLines(this.#recent);
    if (recent.length > 0) follower.push(recent);
    if (this.#isEnded || signal.aborted) stop();
    this.#followers.add(follower);
    signal.addEventListener("abort", stop);
    try {
      yield* follower.chunks();
    } finally {
      signal.removeEventListener("abort", stop);
      this.#followers.delete(follower);
    }
  }
}

/** The last lines of what was printed, without questions to the terminal, which were answered once. */
function lastLines(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  let start = all.length;
  const earliest = Math.max(0, all.length - REPLAY_BYTES);
  for (let lines = 0; start > earliest; start--) {
    if (all[start - 1] === LINE_FEED && ++lines > REPLAY_LINES) break;
  }
  // A line of which the beginning isn't there is left out, where there's another.
  if (start > 0 && all[start - 1] !== LINE_FEED) {
    const end = all.indexOf(LINE_FEED, start);
    if (end !== -1) start = end + 1;
  }
  return withoutQuestions(all.subarray(start));
}

const ESCAPE = "\x1b";
const ENQUIRY = "\x05";

/** What a terminal answers: device status reports, device attributes (ECMA-48, 8.3.35 and 8.3.24), ENQ. */
const QUESTIONS = new RegExp(`${ESCAPE}\\[[?>=]?[\\d;]*[nc]|${ESCAPE}Z|${ENQUIRY}`, "g");

/** Leaves out what a terminal would answer as if it was typed. */
function withoutQuestions(bytes: Uint8Array): Uint8Array {
  // A character for each byte.
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return Uint8Array.from(text.replace(QUESTIONS, ""), (character) => character.charCodeAt(0));
}
