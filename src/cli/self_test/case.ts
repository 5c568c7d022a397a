/**
 * One case of the self-test, and what it is given.
 * @module
 */
import type { MachineConfig } from "../../machine/mod.ts";
import type { AssetName } from "../../parts/mod.ts";
import type { GuestMachine, Judge } from "./guest.ts";

/** The groups of cases, in the order of the report. */
export const AREAS = {
  program: "The program",
  entry: "Ways into a guest",
  processor: "Processors and interrupts",
  device: "Devices of every machine",
  end: "Pauses and ends",
  virtio: "Virtio devices",
} as const;

/** A group of cases. */
export type Area = keyof typeof AREAS;

/** What a host has or has not. */
export type Requirement = "kvm" | "io_uring";

/** Builds a machine; an aborted signal gives it up, and `log` is told what its devices have to say. */
export type CreateGuestMachine = (
  config: MachineConfig,
  options: { readonly signal: AbortSignal; readonly log: (line: string) => void },
) => Promise<GuestMachine>;

/** What a case may use. */
export interface CaseContext {
  /** Aborted when the case has to give up. */
  readonly signal: AbortSignal;
  readonly create: CreateGuestMachine;
}

/** One thing that is tried. */
export interface SelfTestCase {
  /** Lower case, with hyphens; the only one of its name. */
  readonly name: string;
  readonly area: Area;
  /** What holds where it passes, in a sentence. */
  readonly title: string;
  readonly needs: readonly Requirement[];
  /** @throws {Skip} where the host does not let it be tried @throws {Error} where it fails */
  run(context: CaseContext): Promise<void>;
}

/** A machine's configuration without its kernel. */
export type GuestConfig = Omit<MachineConfig, "kernel">;

/** A case that is one guest in one machine. */
export interface GuestCase extends SelfTestCase {
  /** The guest, a file of the program. */
  readonly image: AssetName;
  readonly config: GuestConfig;
  readonly judge: Judge;
}

/** Something went wrong in a case with a guest: what, and what the guest printed last. */
export class GuestCaseError extends Error {
  override readonly name = "GuestCaseError";

  constructor(
    cause: unknown,
    /** The last lines of the console. */
    readonly console: readonly string[],
    /** What the machine's devices had to say. */
    readonly log: readonly string[],
  ) {
    super("a case with a guest failed", { cause });
  }
}
