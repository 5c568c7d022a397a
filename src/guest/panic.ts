/**
 * Finds a Linux kernel's panic in what the guest writes to its console.
 *
 * A panicking kernel tells the machine nothing: it resets, halts or spins, as a healthy one may do. What
 * sets it apart is one line on the console, printed by `panic()` (kernel/panic.c):
 *
 * ```text
 * [    1.234567] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100
 * ```
 *
 * Threat table:
 *
 * | the guest controls                          | what bounds it                                             |
 * | ------------------------------------------- | ---------------------------------------------------------- |
 * | the length of a line                        | a line is cut into pieces of {@linkcode LINE_LIMIT} bytes  |
 * | the number of lines                         | the last {@linkcode KEPT_LINES} are kept                   |
 * | escape sequences aimed at a user's terminal | they and other control characters are taken out of reports |
 * | a panic line that its user space writes     | nothing: it only changes how the end of the run is called  |
 * @module
 */

/** The most bytes of one line. The kernel's own records are shorter (PRINTKRB_RECORD_MAX is 1024, before prefixes). */
export const LINE_LIMIT = 2048;

/** How many lines are kept for reports. */
export const KEPT_LINES = 40;

const LINE_FEED = 0x0a;

/** Printed by `panic()` before its message. */
const NEEDLE = "Kernel panic - not syncing";

/**
 * The needle at the start of a line, after what printk may put before it: `<0>` (a console in extended or
 * early form), `[    1.234567]` (printk.time), `[    T1]` or `[    C0]` (CONFIG_PRINTK_CALLER). printk does
 * not end a line that user space has begun, such as a shell's prompt; so a time stamp starts a line, too.
 */
const PANIC =
  /(?:^(?:<\d{1,3}>)?(?:\[ *[TC]\d+\] ?)?|\[ *\d+\.\d{6}\] ?(?:\[ *[TC]\d+\] ?)?)Kernel panic - not syncing(?:: (.*))?$/;

// Written with code points, so that no control character stands in the source.
const ESC = String.fromCharCode(0x1b);
const BEL = String.fromCharCode(0x07);
/** ECMA-48 control sequences (CSI …), operating system commands (OSC … BEL or ST) and two-character escapes. */
const ESCAPES = new RegExp(
  `${ESC}(?:\\[[0-?]*[ -/]*[@-~]|\\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\\\)?|[ -/]*[0-~])`,
  "g",
);
/** C0 without the tab, DEL, and C1. */
const CONTROLS = /(?!\t)\p{Cc}/gu;

/** Text that a guest wrote, made safe to show on a terminal: no escape sequence, no control character but tabs. */
export function printable(text: string): string {
  return text.replace(ESCAPES, "").replace(CONTROLS, "");
}

/**
 * Reads a console's output, split anywhere, for the panic line; keeps the last lines for a report.
 *
 * ```ts
 * import { PanicScanner } from "./panic.ts";
 *
 * const scanner = new PanicScanner();
 * scanner.push(new TextEncoder().encode("[    1.234567] Kernel panic - not syncing: No init"));
 * scanner.push(new TextEncoder().encode(" found.\r\n"));
 * console.assert(scanner.panic === "No init found.");
 * ```
 */
export class PanicScanner {
  readonly #line = new Uint8Array(LINE_LIMIT);
  #length = 0;
  readonly #lines: string[] = [];
  #panic: string | undefined;
  readonly #decoder = new TextDecoder();

  /** Takes the next bytes of the console's output; they are not kept. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const feed = bytes.indexOf(LINE_FEED, at);
      const end = feed === -1 ? bytes.length : feed;
      const taken = Math.min(end - at, LINE_LIMIT - this.#length);
      this.#line.set(bytes.subarray(at, at + taken), this.#length);
      this.#length += taken;
      at += taken;
      if (at === feed) {
        this.#finish();
        at++;
      } else if (this.#length === LINE_LIMIT) {
        this.#finish();
      }
    }
  }

  /**
   * What the kernel's first panic line says after `not syncing: `, made {@linkcode printable}; undefined
   * where there was none.
   */
  get panic(): string | undefined {
    return this.#panic;
  }

  /** The last lines, made {@linkcode printable}, oldest first; an unfinished one is the last. */
  get lastLines(): string[] {
    if (this.#length === 0) return [...this.#lines];
    return [...this.#lines, this.#text()].slice(-KEPT_LINES);
  }

  #text(): string {
    return printable(this.#decoder.decode(this.#line.subarray(0, this.#length)));
  }

  #finish(): void {
    const text = this.#text();
    this.#length = 0;
    this.#lines.push(text);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
    if (this.#panic !== undefined || !text.includes(NEEDLE)) return;
    const match = PANIC.exec(text);
    if (match !== null) this.#panic = match[1] ?? "";
  }
}
