/**
 * What the command line needs of the process it runs in, as an interface: tests give it a fake terminal.
 * @module
 */
import { processStart } from "../ffi/process_start.ts";

/** Where input comes from. */
export interface Input {
  isTerminal(): boolean;
  /** Raw mode hands every key over at once and unechoed; leaving it restores what was before. */
  setRaw(raw: boolean): void;
  /** The number of bytes read, or null at the end. */
  read(into: Uint8Array): Promise<number | null>;
}

/** How large a terminal is, in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Where output goes. */
export interface Output {
  isTerminal(): boolean;
  /** Of a terminal; undefined for everything else. */
  size(): TerminalSize | undefined;
  /** All of the bytes. */
  write(bytes: Uint8Array): Promise<void>;
  /** All of the bytes, before anything else happens. */
  writeSync(bytes: Uint8Array): void;
}

/** What a process did before it knew what it is to do. */
export interface Past {
  /** When it began, as performance.now() tells time: before that was zero. */
  readonly began: number;
  /** What it had done when, as performance.now() tells time. */
  readonly steps: readonly { readonly step: string; readonly at: number }[];
}

/** The process. */
export interface System {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Calls `handler` for each arrival of the signal, in place of what it does by default. */
  onSignal(signal: Deno.Signal, handler: () => void): Disposable;
  /** Stops the process until SIGCONT, as Ctrl-Z does. */
  suspend(): void;
  /** Ends the process at once. */
  exit(status: number): void;
  /**
   * What it has done so far; absent where that is nothing that can be told.
   *
   * @param loaded when the program had been loaded, as performance.now() tells time
   */
  past?(loaded: number): Past;
}

function output(stream: typeof Deno.stdout): Output {
  return {
    isTerminal: () => stream.isTerminal(),
    size() {
      if (!stream.isTerminal()) return undefined;
      try {
        return Deno.consoleSize();
      } catch {
        // A terminal that is gone, or that none of the standard streams knows.
        return undefined;
      }
    },
    async write(bytes) {
      for (let done = 0; done < bytes.length;) done += await stream.write(bytes.subarray(done));
    },
    writeSync(bytes) {
      for (let done = 0; done < bytes.length;) done += stream.writeSync(bytes.subarray(done));
    },
  };
}

/** The process that this program runs in. */
export const system: System = {
  stdin: {
    isTerminal: () => Deno.stdin.isTerminal(),
    setRaw: (raw) => Deno.stdin.setRaw(raw),
    read: (into) => Deno.stdin.read(into),
  },
  stdout: output(Deno.stdout),
  stderr: output(Deno.stderr),
  onSignal(signal, handler) {
    Deno.addSignalListener(signal, handler);
    return { [Symbol.dispose]: () => Deno.removeSignalListener(signal, handler) };
  },
  suspend: () => Deno.kill(Deno.pid, "SIGSTOP"),
  exit: (status) => Deno.exit(status),
};

/**
 * What this process did so far.
 *
 * @param loaded when the program had been loaded, as performance.now() tells time
 */
export function pastOf(loaded: number): Past {
  return {
    began: processStart(),
    steps: [{ step: "runtime ready", at: 0 }, { step: "program loaded", at: loaded }],
  };
}

const encoder = new TextEncoder();

/**
 * Writes text where its reader may be gone: on a closed pipe nobody is left to be told.
 */
export function print(output: Output, text: string): void {
  try {
    output.writeSync(encoder.encode(text));
  } catch {
    // See above.
  }
}

/** A message of the monitor: on standard error, each line marked as its own. */
export function say(system: System, message: string): void {
  print(system.stderr, message.replace(/^/gm, "denovisor: ") + "\n");
}
