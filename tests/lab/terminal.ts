/**
 * This process's terminal, given to a command in the lab.
 *
 * While the command runs the terminal is raw: each key goes to the command, Ctrl-C too. Ctrl-A is
 * the lab's: Ctrl-A x ends the lab, Ctrl-A h tells the keys, Ctrl-A Ctrl-A types a Ctrl-A.
 *
 * @module
 */

import type { LabTerminal, TerminalSize } from "./options.ts";

const CTRL_A = 0x01;
const HELP = "\r\nCtrl-A x  end the lab\r\nCtrl-A h  this help\r\nCtrl-A Ctrl-A  type a Ctrl-A\r\n";
const X = "x".charCodeAt(0);
const H = "h".charCodeAt(0);

/** Whether standard input, output and error are all terminals, so that a command may have ours. */
export function hasTerminal(): boolean {
  return Deno.stdin.isTerminal() && Deno.stdout.isTerminal() && Deno.stderr.isTerminal();
}

/** The terminal; dispose of it to have it as it was. */
export class HostTerminal implements LabTerminal, Disposable {
  #raw = false;

  size(): TerminalSize {
    return Deno.consoleSize();
  }

  onResize(listener: () => void): Disposable {
    Deno.addSignalListener("SIGWINCH", listener);
    return { [Symbol.dispose]: () => Deno.removeSignalListener("SIGWINCH", listener) };
  }

  /** Makes each key count at once. */
  enterRaw(): void {
    Deno.stdin.setRaw(true);
    this.#raw = true;
  }

  [Symbol.dispose](): void {
    if (this.#raw) Deno.stdin.setRaw(false);
    this.#raw = false;
  }
}

/** What a key sequence of the lab's own asks for. */
export interface KeyActions {
  quit(): void;
  /** Shows text to whoever is at the terminal. */
  show(text: string): void;
}

/** Takes the lab's own key sequences out of what is typed. */
export function keyFilter(actions: KeyActions): TransformStream<Uint8Array, Uint8Array> {
  let escaped = false;
  return new TransformStream({
    transform(chunk, controller) {
      const typed: number[] = [];
      for (const key of chunk) {
        if (!escaped) {
          if (key === CTRL_A) escaped = true;
          else typed.push(key);
          continue;
        }
        escaped = false;
        if (key === X) actions.quit();
        else if (key === H) actions.show(HELP);
        else if (key === CTRL_A) typed.push(CTRL_A);
        else typed.push(CTRL_A, key);
      }
      if (typed.length > 0) controller.enqueue(new Uint8Array(typed));
    },
  });
}
