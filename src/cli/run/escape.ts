/**
 * The escape key of the console: Ctrl-A and one more key is for the monitor, all else is for the guest.
 * @module
 */

/** What the user asks the monitor for. */
export type EscapeCommand = "exit" | "help" | "status" | "detach" | "unknown";

/** Ctrl-A. */
const ESCAPE = 0x01;

/** Which key asks for what. */
export type EscapeKeys = ReadonlyMap<number, EscapeCommand>;

/** The keys of `run`. */
const KEYS: EscapeKeys = keys({ x: "exit", h: "help", "?": "help", s: "status" });

/** The keys of `console`. */
export const ATTACHED_KEYS: EscapeKeys = new Map([...KEYS, ...keys({ d: "detach" })]);

function keys(commands: Readonly<Record<string, EscapeCommand>>): EscapeKeys {
  return new Map(Object.entries(commands).map(([key, command]) => [key.charCodeAt(0), command]));
}

/** What Ctrl-A h shows on the terminal of `run`. */
export const ESCAPE_HELP: readonly string[] = [
  "Ctrl-A x       end the machine",
  "Ctrl-A s       show the machine's status",
  "Ctrl-A h       show these keys",
  "Ctrl-A Ctrl-A  send Ctrl-A to the guest",
];

/** Parts the keys for the guest from those for the monitor; Ctrl-A and its key may come apart. */
export class EscapeParser {
  #escaped = false;

  constructor(
    /** Called with each key for the monitor, in order with {@linkcode send}. */
    private readonly command: (command: EscapeCommand) => void,
    /** Called with bytes for the guest; they are not used after it returns. */
    private readonly send: (bytes: Uint8Array) => void,
    private readonly keys: EscapeKeys = KEYS,
  ) {}

  /** Takes what was typed. */
  push(bytes: Uint8Array): void {
    let start = 0;
    for (let i = 0; i < bytes.length; i++) {
      if (this.#escaped) {
        this.#escaped = false;
        // Ctrl-A Ctrl-A: the second one begins what is sent.
        start = bytes[i] === ESCAPE ? i : i + 1;
        if (bytes[i] !== ESCAPE) this.command(this.keys.get(bytes[i]) ?? "unknown");
      } else if (bytes[i] === ESCAPE) {
        if (i > start) this.send(bytes.subarray(start, i));
        start = i + 1;
        this.#escaped = true;
      }
    }
    if (start < bytes.length) this.send(bytes.subarray(start));
  }
}
