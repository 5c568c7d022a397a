/**
 * How the host reaches a guest's agent.
 * @module
 */

/** A byte stream to the agent. `Deno.Conn` is one. */
export interface AgentConnection {
  /** Reads up to as many bytes as there's room for; null at the end. */
  read(into: Uint8Array<ArrayBuffer>): Promise<number | null>;
  /** Writes some of the bytes. @returns how many */
  write(bytes: Uint8Array<ArrayBuffer>): Promise<number>;
  /** Closes it both ways, also under reads and writes that wait. */
  close(): void;
}

/** What reaches the agent of one guest. */
export interface AgentTransport {
  /**
   * Opens a new connection to the agent.
   *
   * @throws where nobody listens
   */
  connect(): Promise<AgentConnection>;
  /** Resolves, with the reason, when the machine is gone. Everything that waits is told of it at once. */
  readonly ended: Promise<Error>;
  /** Resolves when the agent listens; nothing is asked of it before. Without it, the agent listens already. */
  readonly ready?: Promise<unknown>;
}
