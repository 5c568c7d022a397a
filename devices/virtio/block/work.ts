/**
 * What a request has to do on the disk, and what that needs.
 * @module
 */
import type { IoOperation, IoVectors } from "../../../src/ffi/mod.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { DescriptorChain } from "../queue/chain.ts";
import type { BouncePool } from "./buffers.ts";
import type { Disk } from "./disk.ts";
import type { RequestStatus } from "./protocol.ts";

/** A request as its work sees it: one buffer, one system call at a time. */
export interface WorkSite {
  readonly chain: DescriptorChain;
  readonly memory: GuestMemory;
  readonly disk: Disk;
  readonly bounces: BouncePool;
  readonly operation: IoOperation;
  /** Room for one vector for each piece of the chain. */
  readonly vectors: IoVectors;
  /** All is done. @param written bytes at the start of the device-writable part, without the status */
  done(written: number): void;
  /** All is done once it is durable. */
  doneWhenDurable(): void;
  /** The guest asked for what can't be: nothing was done. */
  reject(status: RequestStatus): void;
  /** The host failed. @param what such as `"a write of 512 bytes at byte 0"` */
  fail(errno: number, what: string): void;
}

/** Work that takes one system call after another. */
export interface Work {
  /** Starts the next call, or the same once more. */
  issue(): void;
  /** Goes on with the result of a call: not negative, or a negative errno. */
  advance(result: number): void;
}
