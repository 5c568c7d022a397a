/**
 * What happens to a machine.
 * @module
 */
import type { CrashReport, MachineEnd } from "../machine/mod.ts";

/** Something that happened. */
export type VmEvent =
  & {
    /** Milliseconds since the machine was created. */
    readonly at: number;
  }
  & (
    /** Its vCPUs have been let go, for the first time or after a reset. */
    | { readonly kind: "started" }
    /** The agent in the guest takes commands. */
    | { readonly kind: "ready" }
    | { readonly kind: "paused" }
    | { readonly kind: "resumed" }
    /** The guest's kernel says on the console that it panics. */
    | { readonly kind: "panic"; readonly message: string }
    /** By the guest, with the device that it used, or `"host"`: {@linkcode Machine.reset} was called. */
    | { readonly kind: "reset"; readonly source: string }
    /** The guest has powered itself off, with the device that it used. */
    | { readonly kind: "shutdown"; readonly source: string }
    /** The guest has given a status through the debug exit device. */
    | { readonly kind: "exit"; readonly status: number }
    /** The guest can't go on. */
    | { readonly kind: "crash"; readonly report: CrashReport }
    /** {@linkcode Machine.stop} was called, or the signal has aborted. */
    | { readonly kind: "stopped" }
    /** The monitor itself has failed. */
    | { readonly kind: "failed"; readonly message: string }
    /** A device has something to say: its driver broke the rules, or the host failed it. */
    | { readonly kind: "device"; readonly device: string; readonly message: string }
    /** The machine has something to say that is no device's. */
    | { readonly kind: "log"; readonly message: string }
  );

/** An event as it is told; when it was is added. */
export type VmNews = VmEvent extends infer E ? E extends VmEvent ? Omit<E, "at"> : never : never;

/** An end as an event; undefined for that of a panic, which was told when the kernel said so. */
export function newsOf(end: MachineEnd): VmNews | undefined {
  switch (end.kind) {
    case "power-off":
      return { kind: "shutdown", source: end.source };
    case "panic":
      return undefined;
    default:
      return end;
  }
}
