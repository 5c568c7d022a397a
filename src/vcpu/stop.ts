/**
 * Why a vCPU has left its run loop.
 * @module
 */

/** What a guest can ask of its machine. */
export type MachineRequest =
  | { readonly kind: "exit"; readonly status: number }
  | { readonly kind: "power-off"; readonly source: string }
  | { readonly kind: "reset"; readonly source: string };

/** What is known of a guest that can't go on. */
export interface CrashReport {
  /** What happened, in a line, such as `"triple fault"`. */
  readonly reason: string;
  /** The vCPU it happened on. */
  readonly vcpu: number;
  /** The exit's fields, the registers and the bytes at the instruction pointer, in lines. */
  readonly details: readonly string[];
}

/** Why one vCPU has left its run loop. */
export type VcpuStop =
  /** {@linkcode REQUEST_STOP} was set from outside. */
  | { readonly kind: "stopped" }
  | MachineRequest
  /** The guest can't go on. */
  | { readonly kind: "crash"; readonly report: CrashReport }
  /** The monitor can't go on: a host call failed. */
  | { readonly kind: "failed"; readonly message: string };
