/**
 * Measuring a subject in this process, and telling what came of it.
 * @module
 */
import { findCommand, isAbsent } from "../../src/rootfs/command.ts";
import { describeCommit, describeHost } from "./host.ts";
import { checkReport } from "./judge.ts";
import { type Kept, named } from "./record.ts";
import type { Extent, Subject } from "./report.ts";
import { tidily } from "./cleanup.ts";

/** What the lab tells its commands by (tests/lab/environment.ts). */
const LAB_VARIABLE = "DENOVISOR_LAB";

/** Where this process runs. */
export function placeHere(): Kept["place"] {
  return Deno.env.get(LAB_VARIABLE) === "1" ? "the lab" : "this machine";
}

/**
 * Measures, and gives all that is to be kept of it.
 *
 * @param command how that was asked for
 * @throws {Error} for a side that fails, or a report that isn't one; nothing is left behind
 */
export async function measureHere(
  subject: Subject,
  extent: Extent,
  command: string,
): Promise<Kept> {
  const host = await describeHost();
  const report = await tidily(() => subject.measure(extent));
  checkReport(report);
  const { seconds, rounds } = extent;
  return {
    subject: named(subject),
    place: placeHere(),
    host,
    date: new Date().toISOString(),
    commit: await describeCommit(),
    command,
    extent: { seconds, rounds },
    report: { ...report, notes: [...report.notes, ...absentNotes(subject)] },
  };
}

function absentNotes({ needs }: Subject): string[] {
  return Object.entries(needs).filter(([what]) => !isThere(what))
    .map(([what, name]) => `There is no ${what} here: Debian's package ${name} has it.`);
}

/** Whether a command is on PATH, or a file, named by its absolute path, is there. */
export function isThere(what: string): boolean {
  if (!what.startsWith("/")) return findCommand(what) !== undefined;
  try {
    Deno.statSync(what);
    return true;
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}
