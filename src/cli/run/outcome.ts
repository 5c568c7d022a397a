/**
 * What is told about a run that has ended: its exit status, its messages, and its report for scripts.
 * @module
 */
import type { TimelineEntry } from "../../machine/end.ts";
import {
  EXIT_CRASH,
  EXIT_OK,
  EXIT_OUTPUT_CLOSED,
  EXIT_TIMEOUT,
  signalStatus,
} from "../exit_status.ts";
import { formatDuration } from "../values.ts";
import type { RunEnd, RunResult } from "./session.ts";

/** The exit status that an end leads to. */
export function statusOfEnd(end: RunEnd): number {
  switch (end.kind) {
    case "exit":
      return end.status;
    case "power-off":
    case "reset":
    case "user":
      return EXIT_OK;
    case "panic":
    case "crash":
      return EXIT_CRASH;
    case "timeout":
      return EXIT_TIMEOUT;
    case "signal":
      return signalStatus(end.signal);
    case "output-closed":
      return EXIT_OUTPUT_CLOSED;
  }
}

/**
 * What a user is told on standard error, in lines; nothing where the guest ended as it should and nobody
 * watched.
 *
 * @param consoleShown whether the console's output could be seen; if not, a failure shows its last lines
 */
export function messagesOf(result: RunResult, consoleShown: boolean): string[] {
  const { end, interactive, lastLines } = result;
  const context = consoleShown ? [] : consoleLines(lastLines);
  switch (end.kind) {
    case "exit":
      return interactive ? [`the guest ended with status ${end.status}`] : [];
    case "power-off":
      return interactive ? [`the guest powered off (${end.source})`] : [];
    case "reset":
      return interactive ? [`the guest was reset (${end.source})`] : [];
    case "user":
      return ["the machine was ended"];
    case "panic":
      return [`the guest's kernel panicked: ${end.message}`, ...context];
    case "crash":
      return [
        `the guest crashed on vCPU ${end.report.vcpu}: ${end.report.reason}`,
        ...end.report.details.map((line) => `  ${line}`),
        ...context,
      ];
    case "timeout":
      return [`stopped after ${formatDuration(end.milliseconds)} (--timeout)`, ...context];
    case "signal":
      return [`ended by ${end.signal}`];
    case "output-closed":
      return [];
  }
}

function consoleLines(lines: readonly string[]): string[] {
  if (lines.length === 0) return ["the console showed nothing"];
  return ["the last lines of the console:", ...lines.map((line) => `  ${line}`)];
}

/** How a run ended, for scripts: the shape of `denovisor run --json`. */
export interface RunReport {
  /** The exit status of `denovisor`. */
  readonly status: number;
  /** How the run ended; null where no machine came to be for an error. */
  readonly end: RunEnd | null;
  /** Why there was no machine, or why the monitor gave it up; null where all went well. */
  readonly error: string | null;
  /** How often a reset restarted the machine. */
  readonly restarts: number;
  /** From the call to the end. */
  readonly milliseconds: number;
  /** The steps of the last machine's life; `at` is in milliseconds since it was begun to be built. */
  readonly timeline: readonly TimelineEntry[];
  /** For each vCPU of the last machine, how often it left the guest, by the exit's name. */
  readonly exits: readonly Readonly<Record<string, number>>[];
}

/** The report of a run that has ended. */
export function reportOf(result: RunResult): RunReport {
  const { end, restarts, milliseconds, exits } = result;
  const status = statusOfEnd(end);
  // Microseconds are more than the clock is good for.
  const rounded = (time: number) => Number(time.toFixed(3));
  const timeline = result.timeline.map(({ step, at, from }) => {
    return { step, at: rounded(at), ...from === undefined ? {} : { from: rounded(from) } };
  });
  return {
    status,
    end,
    error: null,
    restarts,
    milliseconds: Math.round(milliseconds),
    timeline,
    exits,
  };
}

/** The report of a run that an error has ended. */
export function reportOfError(error: string, status: number, milliseconds: number): RunReport {
  return {
    status,
    end: null,
    error,
    restarts: 0,
    milliseconds: Math.round(milliseconds),
    timeline: [],
    exits: [],
  };
}
