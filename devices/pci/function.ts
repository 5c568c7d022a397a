/**
 * What a PCI function is made of, so that the host bridge has to know none by name.
 * @module
 */
import type { AccessSize } from "../../src/bus/mod.ts";
import type { AttachContext } from "../device.ts";
import type { StateReader } from "../state.ts";

/** The part of a spec that every function has. The whole of a spec can be structured-cloned. */
export interface PciFunctionSpec {
  /** The kind of the module that made it. */
  readonly kind: string;
  /** Its configuration space. */
  readonly config: SharedArrayBuffer;
  /** How many bytes of memory its BAR 0 decodes, a power of two; 0 without one. */
  readonly barSize: number;
}

/** Where writes are interrupt messages. */
export interface MessageRange {
  readonly base: number;
  readonly size: number;
}

/** A function in one isolate. All calls come under the host bridge's lock. */
export interface PciFunction {
  /** Reads its configuration space. */
  readConfig(offset: number, size: AccessSize): number;
  writeConfig(offset: number, size: AccessSize, value: number): void;
  /** Where it wants its BAR 0 to be decoded; -1 for nowhere. */
  readonly decodes: number;
  /** Reads what BAR 0 decodes. */
  readBar(offset: number, size: AccessSize): number;
  writeBar(offset: number, size: AccessSize, value: number): void;
  /** BAR 0 is decoded at an address from now on. */
  mapped(base: number): void;
  /** It was decoded at this address until now. */
  unmapped(base: number): void;
  /** Brings the machine's wiring up to the registers, after a restore; does nothing where they agree. */
  rewire(): void;
}

/** Everything there is to know about one kind of function. */
export interface PciFunctionModule<Spec extends PciFunctionSpec> {
  readonly kind: string;
  /** Makes its registers in this isolate. @param messages what its interrupts may be addressed to */
  attach(spec: Spec, context: AttachContext, messages: MessageRange): PciFunction;
  /** All of its state by field name, each with this prefix. */
  save(spec: Spec, prefix: string): Record<string, number | readonly number[]>;
  /**
   * Takes what `save` gave out of a saved state and checks it.
   *
   * @returns what puts it in place
   * @throws {DeviceStateError}
   */
  restore(spec: Spec, reader: StateReader, prefix: string): () => void;
}
