/**
 * The user's terminal in raw mode, and every way out of it.
 *
 * Whatever ends the run, the terminal is given back as it was: the end of a scope (`using`), an uncaught
 * exception and `Deno.exit` (the unload event), and a stop by SIGTSTP, after which SIGCONT takes it again.
 * SIGINT, SIGTERM and SIGHUP end the run in order and so come to the end of the scope.
 * @module
 */
import type { System } from "../system.ts";

/** Raw mode of standard input, until it is disposed of. */
export class RawTerminal implements Disposable {
  readonly #system: System;
  readonly #undo = new DisposableStack();
  #raw = false;

  /** Takes the terminal, which standard input has to be. */
  constructor(system: System) {
    this.#system = system;
    const leave = () => this.#set(false);
    this.#undo.defer(leave);
    globalThis.addEventListener("unload", leave);
    this.#undo.defer(() => globalThis.removeEventListener("unload", leave));
    this.#undo.use(system.onSignal("SIGTSTP", () => {
      this.#set(false);
      system.suspend();
    }));
    this.#undo.use(system.onSignal("SIGCONT", () => this.#set(true)));
    this.#set(true);
  }

  #set(raw: boolean): void {
    if (raw === this.#raw) return;
    this.#raw = raw;
    try {
      this.#system.stdin.setRaw(raw);
    } catch (error) {
      // A terminal that is gone (a closed window, a lost connection) needs no restoring.
      if (raw) throw error;
    }
  }

  /** Gives the terminal back. A second call does nothing. */
  [Symbol.dispose](): void {
    this.#undo.dispose();
  }
}
