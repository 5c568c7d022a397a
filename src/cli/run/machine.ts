/**
 * What `run` needs of a machine: an interface, so that tests can give it a fake one.
 * @module
 */
import type { CheckedConfig } from "../../machine/config.ts";
import type { MachineEnd, TimelineEntry } from "../../machine/end.ts";

/** The guest's console. */
export interface MachineConsole {
  /** What the guest writes; it closes when the machine has ended. */
  readonly output: ReadableStream<Uint8Array>;
  /** Types into the guest; resolves once the bytes are taken. */
  write(bytes: Uint8Array): Promise<void>;
  /** Tells the guest how large the terminal is. */
  resize(columns: number, rows: number): void;
}

/** A machine that was built, with its vCPUs paused. */
export interface RunnableMachine extends AsyncDisposable {
  start(): void;
  /** Takes every vCPU out of the guest; none runs when this resolves. */
  pause(): Promise<void>;
  /** Lets it go on where it was paused. */
  resume(): void;
  /** Stops all vCPUs. */
  stop(): Promise<void>;
  /** Rejects only when the monitor itself failed. */
  readonly ended: Promise<MachineEnd>;
  readonly console: MachineConsole;
  readonly timeline: readonly TimelineEntry[];
  /** For each vCPU, how often it left the guest, by the exit's name. */
  readonly exits: readonly Readonly<Record<string, number>>[];
  /** The virtio devices, by their names. */
  readonly devices: ReadonlyMap<string, { readonly metrics: Readonly<Record<string, number>> }>;
}

/** Builds a machine; an aborted signal gives it up, and `log` is told what its devices have to say. */
export type CreateMachine = (
  config: CheckedConfig,
  options: { readonly signal: AbortSignal; readonly log: (line: string) => void },
) => Promise<RunnableMachine>;
