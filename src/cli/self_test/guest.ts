/**
 * A machine with a small guest of ours, as a case sees it, and how such a guest is listened to.
 *
 * The guests print lines on their console and end with a status: from 1 to 99 for a check of theirs that failed,
 * another for one that did what it is there for.
 * @module
 */
import type { MachineEnd } from "../../machine/end.ts";
import { Mismatch } from "./expect.ts";

/** A guest's console. */
export interface GuestConsole {
  /** What it prints; it ends when the machine has. */
  readonly output: ReadableStream<Uint8Array>;
  /** Types at it. */
  write(bytes: Uint8Array): Promise<void>;
  /** The last lines that it printed. */
  readonly lastLines: readonly string[];
}

/** A machine that was built: what cases use of `Machine`, so that tests can give them another. */
export interface GuestMachine extends AsyncDisposable {
  readonly console: GuestConsole;
  readonly ended: Promise<MachineEnd>;
  readonly memory: { readU64(address: number): bigint };
  readonly devices: ReadonlyMap<string, { readonly metrics: Readonly<Record<string, number>> }>;
  start(): void;
  pause(): Promise<void>;
  resume(): void;
  stop(): Promise<void>;
}

/** Watches a machine that was started. @throws {Mismatch} where its guest does not do what it has to */
export type Judge = (machine: GuestMachine) => Promise<unknown>;

/** A guest's run from its start to its end. */
export interface Outcome {
  readonly end: MachineEnd;
  /** What it printed and nobody has read before. */
  readonly console: string;
}

/** Reads a machine's console to its end, and waits for that. @throws {Mismatch} a machine that was stopped */
export async function outcome(machine: GuestMachine): Promise<Outcome> {
  const console = await read(machine, () => false);
  const end = await machine.ended;
  if (end.kind === "stopped") throw new Mismatch(`the guest did not end; it printed: ${console}`);
  return { end, console };
}

/**
 * Reads a machine's console until it has printed `text`, and gives what it read; the rest stays to be read.
 *
 * @throws {Mismatch} a guest that ends before
 */
export async function printed(machine: GuestMachine, text: string): Promise<string> {
  const seen = await read(machine, (seen) => seen.includes(text));
  if (seen.includes(text)) return seen;
  throw new Mismatch(
    `the guest has not printed ${JSON.stringify(text)}, but ${JSON.stringify(seen)}, and then: ` +
      endText(await machine.ended),
  );
}

/** Reads until it's enough, or to the end. */
async function read(machine: GuestMachine, enough: (seen: string) => boolean): Promise<string> {
  let seen = "";
  const decoder = new TextDecoder();
  const reader = machine.console.output.getReader();
  try {
    while (!enough(seen)) {
      const { value, done } = await reader.read();
      if (done) break;
      seen += decoder.decode(value, { stream: true });
    }
    return seen;
  } finally {
    reader.releaseLock();
  }
}

/** An end in words; a crash in several lines. */
export function endText(end: MachineEnd): string {
  if (end.kind !== "crash") return JSON.stringify(end);
  const { vcpu, reason, details } = end.report;
  return [`a crash of vCPU ${vcpu}, ${reason}`, ...details].join("\n");
}

/** @throws {Mismatch} an end that is another */
export function expectEnd(end: MachineEnd, expected: MachineEnd): void {
  if (JSON.stringify(end) === JSON.stringify(expected)) return;
  throw new Mismatch(`the end has to be ${endText(expected)} and is ${endText(end)}`);
}

/** Whether a machine has not come to its end yet, as a function that can be asked again and again. */
export function running(machine: GuestMachine): () => boolean {
  let isRunning = true;
  void machine.ended.catch(() => {}).finally(() => isRunning = false);
  return () => isRunning;
}

/** Types text at a guest. */
export async function type(machine: GuestMachine, text: string): Promise<void> {
  await machine.console.write(new TextEncoder().encode(text));
}

/** The lines `NAME=value` of a console. */
export function fields(console: string): Record<string, string> {
  return Object.fromEntries(
    [...console.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
  );
}

/** A piece of a memory map. */
export interface MapRange {
  readonly base: number;
  readonly size: number;
  /** 1 is RAM, 2 is reserved (ACPI 6.5, 15, "Address Range Types"). */
  readonly type: number;
}

/** A memory map as the guests print it: `range BASE SIZE TYPE`. */
export function ranges(console: string): MapRange[] {
  return [...console.matchAll(/^range ([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{8})$/gm)]
    .map(([, base, size, type]) => ({
      base: parseInt(base, 16),
      size: parseInt(size, 16),
      type: parseInt(type, 16),
    }));
}
