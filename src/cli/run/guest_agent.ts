/**
 * The agent in the guest of a run, as the control socket's clients use it.
 * @module
 */
import {
  Guest,
  GuestError,
  GuestGoneError,
  type GuestProcess,
  GuestRefusedError,
  type GuestStatus,
  VsockTransport,
} from "../../guest/agent/mod.ts";
import type { GuestCommand, Size } from "../control/controlled.ts";
import { ControlError, type ErrorKind, type ExecEnd, type RequestOf } from "../control/protocol.ts";
import type { GuestAgent } from "./named.ts";

/** How long a guest may take until its agent answers, in milliseconds: a boot, on a slow host. */
export const AGENT_MS = 60_000;

/** What the status of a command that a signal has killed begins at. */
const KILLED = 128;

/** Why a command could not be started, by the errno. */
const KINDS: Readonly<Record<string, ErrorKind>> = {
  ENOENT: "not-found",
  ENOTDIR: "not-found",
  EACCES: "not-executable",
  ENOEXEC: "not-executable",
  EISDIR: "not-executable",
};

/** What the agent calls the start of a program, in what it refuses. */
const EXECUTE = "execute";

/** One life of a guest: a reset begins another. */
interface Life extends Disposable {
  readonly guest: Guest;
}

/** The agent behind a socket device. */
export class VsockAgent implements GuestAgent, Disposable {
  readonly #path: string;
  #life: Life | undefined;

  /** @param path the socket device's */
  constructor(path: string) {
    this.#path = path;
  }

  begin(): void {
    this.end();
    const ended = Promise.withResolvers<Error>();
    const transport = new VsockTransport(this.#path, ended.promise);
    this.#life = {
      guest: new Guest(transport),
      [Symbol.dispose]() {
        ended.resolve(new Error("the machine has ended"));
        transport[Symbol.dispose]();
      },
    };
  }

  end(): void {
    this.#life?.[Symbol.dispose]();
    this.#life = undefined;
  }

  async spawn(request: RequestOf<"exec">): Promise<GuestCommand> {
    return await this.#start((guest, signal) => spawnIn(guest, request, signal));
  }

  async powerOff(): Promise<void> {
    await this.#start((guest, signal) => guest.poweroff({ signal }));
  }

  [Symbol.dispose](): void {
    this.end();
  }

  /** Has the guest begin something, which has to have begun in time. */
  async #start<T>(begin: (guest: Guest, signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#life === undefined) throw new ControlError("state", "the machine does not run");
    const late = new AbortController();
    const reason = new ControlError(
      "no-agent",
      `no agent answers in the guest within ${AGENT_MS / 1000} s`,
    );
    const timer = setTimeout(() => late.abort(reason), AGENT_MS);
    try {
      return await begin(this.#life.guest, late.signal);
    } catch (error) {
      throw controlError(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Starts a command in a guest. @param signal ends the command as well, as long as that runs */
export async function spawnIn(
  guest: Guest,
  request: RequestOf<"exec">,
  signal?: AbortSignal,
): Promise<GuestCommand> {
  const { command, env, cwd, user, tty, stdin } = request;
  const process = await guest.spawn(command, {
    env: Object.fromEntries(env.map(variable)),
    cwd,
    user,
    tty,
    stdin: stdin ? "piped" : "null",
    signal,
  });
  return new AgentCommand(process, request);
}

/** `NAME=VALUE` as a name and a value. */
function variable(text: string): [string, string] {
  const equals = text.indexOf("=");
  return equals === -1 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
}

/** An error of the agent's client as one that is told to clients. */
export function controlError(error: unknown): unknown {
  if (error instanceof GuestRefusedError) {
    const kind = error.operation === EXECUTE ? KINDS[error.code] ?? "failed" : "failed";
    return new ControlError(kind, error.message, { cause: error });
  }
  // What the request has is checked once more where the command is put together.
  if (error instanceof TypeError) {
    return new ControlError("request", error.message, { cause: error });
  }
  if (error instanceof GuestGoneError) {
    return new ControlError("ended", error.message, { cause: error });
  }
  if (!(error instanceof GuestError)) return error;
  return new ControlError("no-agent", error.message, { cause: error });
}

/** A command that the agent has started. */
class AgentCommand implements GuestCommand {
  readonly stdin: WritableStream<Uint8Array> | undefined;
  readonly stdout: ReadableStream<Uint8Array>;
  readonly stderr: ReadableStream<Uint8Array> | undefined;
  readonly status: Promise<ExecEnd>;
  readonly #process: GuestProcess;

  constructor(process: GuestProcess, { stdin, tty }: RequestOf<"exec">) {
    this.#process = process;
    this.stdin = stdin ? process.stdin : undefined;
    this.stdout = process.stdout;
    this.stderr = tty === undefined ? process.stderr : undefined;
    this.status = process.status.then(endOf, (error) => {
      throw controlError(error);
    });
    this.status.catch(() => {});
  }

  kill(signal: number): Promise<void> {
    return this.#process.kill(signal);
  }

  resize({ columns, rows }: Size): Promise<void> {
    return this.#process.resize(columns, rows);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}

function endOf({ code, signal }: GuestStatus): ExecEnd {
  return signal === null ? { code, signal } : { code, signal: code - KILLED };
}
