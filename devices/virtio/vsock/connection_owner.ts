/**
 * What a connection and its device know of each other.
 * @module
 */
import type { IoVectors } from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { BusyStores, ByteStores } from "./byte_store.ts";
import type { Connection } from "./connection.ts";
import type { TurnList } from "./turns.ts";

/** How many of the guest's buffers one read fills at most. */
export const MAX_BATCH = 16;

/** What a connection needs of the device that it belongs to. */
export interface ConnectionOwner {
  readonly memory: GuestMemory;
  /** The guest's context id. */
  readonly cid: number;
  /** Now, in milliseconds. */
  readonly now: number;
  /** Stores for what the host has no room for; their capacity is the credit of each connection. */
  readonly stores: ByteStores;
  /** Larger ones with more credit, for the connections that much is sent on, as far as there are any. */
  readonly busy: BusyStores;
  /** Scratch for writes. */
  readonly vectors: IoVectors;
  /** The connections that have a control packet for the guest. */
  readonly control: TurnList<Connection>;
  /** The connections that may have data for the guest. */
  readonly data: TurnList<Connection>;
  /** It is over, and its ports are free. */
  ended(connection: Connection): void;
  /** Its ports are free, and it still has something for the host. */
  orphaned(connection: Connection): void;
  /** Wants {@linkcode Connection.expire} to be called at this time, in milliseconds. */
  expectAt(deadline: number): void;
}

/**
 * - `requested`: the host has asked, and the guest hasn't answered
 * - `established`: data flows, in one direction at least
 * - `closing`: all was said in both directions; the guest's reset is waited for
 * - `reset`: the guest has to be told that it is over
 * - `orphaned`: the guest has forgotten it; the host gets the rest
 * - `ended`: it's over
 */
export type ConnectionState =
  | "requested"
  | "established"
  | "closing"
  | "reset"
  | "orphaned"
  | "ended";
