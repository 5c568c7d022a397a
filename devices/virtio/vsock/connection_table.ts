/**
 * All connections of a device, by their two ports.
 * @module
 */
import type { Connection } from "./connection.ts";

/** The ports that stand for clients on the host are taken from here up (2^30 to 2^31 - 1). */
export const FIRST_CLIENT_PORT = 2 ** 30;

/** Finds connections without allocation: ports are keys as 32-bit integers, which are no heap objects. */
export class ConnectionTable {
  readonly #byHostPort = new Map<number, Map<number, Connection>>();
  #count = 0;
  #lastPort = FIRST_CLIENT_PORT - 1;

  /** How many there are. */
  get count(): number {
    return this.#count;
  }

  find(guestPort: number, hostPort: number): Connection | undefined {
    return this.#byHostPort.get(hostPort | 0)?.get(guestPort | 0);
  }

  /** Adds one whose ports are free. */
  add(connection: Connection): void {
    const hostPort = connection.hostPort | 0;
    let byGuestPort = this.#byHostPort.get(hostPort);
    if (byGuestPort === undefined) this.#byHostPort.set(hostPort, byGuestPort = new Map());
    byGuestPort.set(connection.guestPort | 0, connection);
    this.#count++;
  }

  /** Frees the ports of one; nothing happens where they are not its own. */
  remove(connection: Connection): void {
    const hostPort = connection.hostPort | 0;
    const guestPort = connection.guestPort | 0;
    const byGuestPort = this.#byHostPort.get(hostPort);
    if (byGuestPort?.get(guestPort) !== connection) return;
    byGuestPort.delete(guestPort);
    if (byGuestPort.size === 0) this.#byHostPort.delete(hostPort);
    this.#count--;
  }

  /** A port of the host's that no connection has. There are always some: they are more than connections. */
  freePort(): number {
    do {
      this.#lastPort = FIRST_CLIENT_PORT + (this.#lastPort + 1) % FIRST_CLIENT_PORT;
    } while (this.#byHostPort.has(this.#lastPort | 0));
    return this.#lastPort;
  }

  /** All of them; they may be removed meanwhile. */
  *[Symbol.iterator](): Generator<Connection, void, undefined> {
    for (const byGuestPort of this.#byHostPort.values()) yield* byGuestPort.values();
  }
}
