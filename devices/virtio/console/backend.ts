/**
 * The host's side of a port, as the port sees it: somewhere bytes come from and go to.
 * @module
 */
import type { GuestMemory } from "../../../src/memory/mod.ts";
import type { DescriptorChain } from "../queue/chain.ts";

/** What a backend tells its port. Calls come from the event loop, never from inside a call of the backend. */
export interface PortEvents {
  /** Bytes may be there: after {@linkcode PortBackend.wantInput}. */
  input(): void;
  /** There may be room again: after a {@linkcode PortBackend.write} that took less than all. */
  room(): void;
  /** Somebody has come to the host's end, or has left it. */
  connection(isThere: boolean): void;
}

/** One end on the host. It belongs to the I/O isolate. */
export interface PortBackend {
  /** Whether somebody is there: what the guest writes is dropped otherwise. */
  readonly connected: boolean;
  /**
   * Reads into the device-writable part of a buffer.
   *
   * @returns how many bytes; 0 where there are none now
   */
  read(memory: GuestMemory, chain: DescriptorChain): number;
  /** Calls {@linkcode PortEvents.input} once, when there are bytes: at once, if there are some already. */
  wantInput(): void;
  /**
   * Writes bytes of the device-readable part of a buffer.
   *
   * @param skip how many of them were written before
   * @returns how many it took; less than all only where there's no room now
   */
  write(memory: GuestMemory, chain: DescriptorChain, skip: number): number;
  /** The machine stops here, or the guest has left: nothing is waited for until it is asked for again. */
  rest(): void;
  /** Ends it for good. */
  close(): void;
}

/** Makes a backend that tells `events`. */
export type OpenBackend = (events: PortEvents) => PortBackend;
