/**
 * The sockets between us and QEMU's virtio-serial ports. We listen before QEMU starts, and it
 * connects; once it has, the sockets' names are not needed any more and are removed, so that not
 * even SIGKILL leaves one behind.
 *
 * @module
 */

import { join } from "node:path";

/** The connections to the lab; the terminal stands for the three streams, or they for it. */
export type Port = "control" | "stdin" | "stdout" | "stderr" | "terminal";

/** Listening sockets, one for each port. */
export class PortListeners implements Disposable {
  readonly #folder: string;
  readonly #listeners = new Map<Port, Deno.UnixListener>();
  readonly #connections: Deno.UnixConn[] = [];

  /** @param names the ports; each is the name of a socket too. */
  constructor(names: readonly Port[]) {
    this.#folder = Deno.makeTempDirSync({ prefix: "denovisor-lab-" });
    try {
      for (const name of names) {
        this.#listeners.set(name, Deno.listen({ transport: "unix", path: this.path(name) }));
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Path of a port's socket. */
  path(name: Port): string {
    return join(this.#folder, name);
  }

  /** Waits until QEMU has connected to all ports. */
  async accept(): Promise<ReadonlyMap<Port, Deno.UnixConn>> {
    const accepted = new Map<Port, Deno.UnixConn>();
    await Promise.all([...this.#listeners].map(async ([name, listener]) => {
      const connection = await listener.accept();
      this.#connections.push(connection);
      accepted.set(name, connection);
    }));
    this.#stopListening();
    return accepted;
  }

  #stopListening(): void {
    for (const listener of this.#listeners.values()) listener.close();
    this.#listeners.clear();
    try {
      Deno.removeSync(this.#folder, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const connection of this.#connections.splice(0)) connection.close();
    this.#stopListening();
  }
}
