/**
 * The files that keep what was measured, one for each subject: everything that RESULTS.md and the charts tell is in
 * them.
 * @module
 */
import { dirname, join } from "node:path";
import * as v from "valibot";
import { isAbsent } from "../../src/rootfs/command.ts";
import type { Report, Subject } from "./report.ts";

const goal = v.object({
  side: v.optional(v.string()),
  by: v.optional(v.string()),
  atMost: v.optional(v.number()),
  atLeast: v.optional(v.number()),
});

const report = v.object({
  measures: v.array(v.object({
    name: v.string(),
    unit: v.string(),
    better: v.picklist(["less", "more"]),
    values: v.record(v.string(), v.array(v.number())),
    goals: v.optional(v.array(goal)),
  })),
  commands: v.record(v.string(), v.string()),
  notes: v.array(v.string()),
});

const schema = v.object({
  subject: v.object({
    name: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]*$/)),
    title: v.string(),
    about: v.string(),
    rig: v.picklist(["direct", "lab"]),
  }),
  /** Where it was measured. */
  place: v.picklist(["this machine", "the lab"]),
  /** The machine and the versions of everything, by what they are. */
  host: v.record(v.string(), v.string()),
  /** When it was done: ISO 8601, UTC. */
  date: v.string(),
  /** The commit that was measured, with a `+` where there were changes to it. */
  commit: v.string(),
  /** What was typed. */
  command: v.string(),
  extent: v.object({ seconds: v.number(), rounds: v.number() }),
  report,
});

/** What is kept of one comparison. */
export type Kept = Readonly<Omit<v.InferOutput<typeof schema>, "report">> & {
  readonly report: Report;
};

/** The part of a subject that is kept with its results. */
export function named({ name, title, about, rig }: Subject): Kept["subject"] {
  return { name, title, about, rig };
}

/** The file of a subject's results, in the folder of all results. */
export function placeOf(folder: string, { rig, name }: Pick<Subject, "rig" | "name">): string {
  return join(folder, rig, `${name}.json`);
}

/** Keeps a result in the folder of all results; one that is there already is replaced at once. */
export async function keep(folder: string, kept: Kept): Promise<void> {
  const path = placeOf(folder, kept.subject);
  await Deno.mkdir(dirname(path), { recursive: true });
  const temporary = await Deno.makeTempFile({ dir: dirname(path), prefix: "." });
  try {
    await Deno.writeTextFile(temporary, `${compact(JSON.stringify(kept, null, 2))}\n`);
    await Deno.chmod(temporary, 0o644);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary);
    throw error;
  }
}

/** JSON with each list of numbers in a line. */
function compact(json: string): string {
  return json.replace(/\[[-+\d.,e\s]+\]/gi, (list) => list.replace(/\s+/g, " "));
}

/** Reads results that a process has printed as JSON. @throws {Error} that names what isn't such a result */
export function parseKept(text: string, what: string): Kept[] {
  return check(v.array(schema), text, what);
}

/**
 * Reads all results that are kept in a folder, ordered as the subjects are, and those of others by their names.
 *
 * @throws {Error} that names a file which isn't such a result
 */
export async function readKept(folder: string, subjects: readonly Subject[]): Promise<Kept[]> {
  const all: Kept[] = [];
  for (const rig of ["direct", "lab"]) {
    for (const name of await namesIn(join(folder, rig))) {
      const path = join(folder, rig, name);
      all.push(check(schema, await Deno.readTextFile(path), path));
    }
  }
  const order = (kept: Kept) => {
    const at = subjects.findIndex(({ name }) => name === kept.subject.name);
    return at === -1 ? subjects.length : at;
  };
  return all.sort((a, b) => order(a) - order(b) || (a.subject.name < b.subject.name ? -1 : 1));
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.map(({ name }) => name).filter((name) => /^[^.].*\.json$/.test(name)).sort();
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

function check<T>(expected: v.GenericSchema<unknown, T>, text: string, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${what} is no JSON`, { cause: error });
  }
  const parsed = v.safeParse(expected, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new Error(`${what} is no result: ${v.getDotPath(issue) ?? "it"}: ${issue.message}`);
}
