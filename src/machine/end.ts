/**
 * How a machine's run ends.
 * @module
 */
import type { CrashReport } from "../vcpu/mod.ts";

/** Why the vCPUs of a machine have stopped. */
export type MachineEnd =
  /** The guest gave a status through the debug exit device. */
  | { readonly kind: "exit"; readonly status: number }
  /** The guest powered itself off; `source` is the device that it did it with. */
  | { readonly kind: "power-off"; readonly source: string }
  /** The guest asked for a reset; `source` is the device that it did it with. */
  | { readonly kind: "reset"; readonly source: string }
  /** The guest's kernel reported a panic on its console, and then reset or powered off. */
  | { readonly kind: "panic"; readonly message: string }
  /** The guest can't go on: a triple fault, an emulation failure, a failed entry. */
  | { readonly kind: "crash"; readonly report: CrashReport }
  /** {@linkcode Machine.stop} was called. */
  | { readonly kind: "stopped" };

/** One moment of a machine's life. */
export interface TimelineEntry {
  /** What was finished, such as `"kernel loaded"`. */
  readonly step: string;
  /** Milliseconds since {@linkcode Machine.create} was called. */
  readonly at: number;
  /** When it began, in the same milliseconds, where that is not the end of the step before. */
  readonly from?: number;
}
