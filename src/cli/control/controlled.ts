/**
 * What a control socket's server needs of the machine: an interface, so that tests can give it a fake one.
 * @module
 */
import type { ExecEnd, MachineInfo, MachineStats, RequestOf, Stopped } from "./protocol.ts";

/** A terminal's size, in characters. */
export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** A machine that runs. */
export interface Controlled {
  info(): MachineInfo;
  stats(): MachineStats;
  /** @throws {ControlError} the machine has not started, or is ending */
  pause(): Promise<void>;
  /** @throws {ControlError} the machine has not started, or is ending */
  resume(): Promise<void>;
  /** Resolves when the guest has ended. @param timeout how long it may take when it is asked, in milliseconds */
  stop(options: { readonly force: boolean; readonly timeout: number }): Promise<Stopped>;
  readonly console: SharedConsole;
  /** Starts a command in the guest. @throws {ControlError} */
  spawn(request: RequestOf<"exec">): Promise<GuestCommand>;
}

/** The console, for any number of clients. */
export interface SharedConsole {
  /** What the guest prints: its last lines first, then what comes, until the machine has ended. */
  follow(signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Types; resolves once the bytes are taken over. */
  type(bytes: Uint8Array): Promise<void>;
  resize(size: Size): void;
}

/** A command that runs in a guest. When it is disposed of while it runs, it is killed. */
export interface GuestCommand extends AsyncDisposable {
  /** There where it was asked for. */
  readonly stdin: WritableStream<Uint8Array> | undefined;
  /** With a terminal, all that the command writes. */
  readonly stdout: ReadableStream<Uint8Array>;
  /** With a terminal there is none. */
  readonly stderr: ReadableStream<Uint8Array> | undefined;
  /** Rejects where the guest or its agent is gone. */
  readonly status: Promise<ExecEnd>;
  /** Sends a signal to it, by its number. */
  kill(signal: number): Promise<void>;
  resize(size: Size): Promise<void>;
}
