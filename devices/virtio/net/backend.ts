/**
 * What a network device asks of the host's end of its cable.
 * @module
 */
import type { IoScope, IoVectors } from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { RateLimiter } from "../../limits/mod.ts";
import type { Metrics } from "../../metrics.ts";
import type { NetMetric } from "./counters.ts";

/** One queue of packets to and from the host. Each packet has a header of {@linkcode HEADER_SIZE} bytes before it. */
export interface NetPort {
  /** The descriptor that becomes readable when there is a packet, and writable when there is room for one. */
  readonly fd: number;
  /**
   * Takes the next packet.
   *
   * @param first the first of the vectors that are filled, `count` in all
   * @returns its length, or no more than fits; a negative errno, EAGAIN where there is none
   */
  read(vectors: IoVectors, first: number, count: number): number;
  /**
   * Sends a packet: the first `count` of the vectors.
   *
   * @returns its length; a negative errno, EAGAIN where there is no room now
   */
  write(vectors: IoVectors, count: number): number;
}

/** The host's end of a cable, opened by the main isolate. */
export interface NetBackend {
  /** What it is, for messages: `tap "tap0"`. */
  readonly name: string;
  /** One for each pair of queues; only the first is in use at first. */
  readonly ports: readonly NetPort[];
  /** From now on the host gives packets to the first `count` ports. @throws {SysError} */
  usePorts(count: number): void;
  /** Says which packets the driver takes. @param flags TUN_F_* bits @throws {SysError} */
  setOffloads(flags: number): void;
  /** Plugs the cable in or out, as the host sees it. @throws {SysError} */
  setCarrier(up: boolean): void;
}

/** What the queues of one device share. */
export interface QueueContext {
  readonly memory: GuestMemory;
  readonly io: IoScope;
  readonly metrics: Pick<Metrics<NetMetric>, "add">;
  /** The limits of this direction. */
  readonly limiter: RateLimiter;
  /** The host's end is gone. @param errno what it failed with; 0 where it has ended */
  lost(errno: number): void;
}

/** File descriptor in bad state (asm-generic/errno.h): what a tap says whose interface was deleted. */
export const EBADFD = 77;
