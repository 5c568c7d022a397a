/**
 * A guest's agent, as the host talks to it.
 * @module
 */
import { Link } from "./call.ts";
import type { SpawnOptions } from "./command.ts";
import { type ExecOptions, type ExecResult, execute } from "./exec.ts";
import { GuestProcess } from "./process.ts";
import type { AgentTransport } from "./transport.ts";

/** A guest. */
export class Guest {
  readonly #link: Link;

  constructor(transport: AgentTransport) {
    this.#link = new Link(transport);
  }

  exec(command: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    return execute(this.#link, command, options);
  }

  spawn(command: readonly string[], options: SpawnOptions = {}): Promise<GuestProcess> {
    return GuestProcess.start(this.#link, command, options);
  }
}
