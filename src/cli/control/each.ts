/**
 * The same request for several machines.
 * @module
 */
import { messageOf, statusOf } from "../errors.ts";
import { EXIT_OK } from "../exit_status.ts";
import { print, say, type System } from "../system.ts";
import { type Machines, machines, printable } from "./client.ts";
import { parseName } from "./name.ts";

/** What came of one machine: the shape of an item of `--json`. */
export type Outcome =
  & { readonly name: string }
  & ({ readonly error: null } & Readonly<Record<string, unknown>> | {
    readonly error: string;
    readonly status: number;
  });

/**
 * Does something with each machine, with all of them at the same time, and tells what came of it: the names of those
 * where it worked on standard output, the others on standard error; or all of them as a list in JSON.
 *
 * @param act its result is added to the machine's item in JSON
 * @returns the exit status: that of the first one where it did not work
 * @throws {UsageError} what can't be a machine's name, before anything is done
 */
export async function forEach(
  names: readonly string[],
  json: boolean,
  system: System,
  act: (name: string, machines: Machines) => Promise<Readonly<Record<string, unknown>>>,
): Promise<number> {
  const wanted = [...new Set(names.map(parseName))];
  const all = machines();
  const outcomes = await Promise.all(wanted.map(async (name): Promise<Outcome> => {
    try {
      return { name, error: null, ...await act(name, all) };
    } catch (error) {
      return { name, error: messageOf(error), status: statusOf(error) };
    }
  }));
  if (json) print(system.stdout, `${JSON.stringify(outcomes)}\n`);
  for (const { name, error } of outcomes) {
    if (error !== null) say(system, printable(error));
    else if (!json) print(system.stdout, `${name}\n`);
  }
  const failed = outcomes.find((outcome) => outcome.error !== null);
  return failed === undefined ? EXIT_OK : Number(failed.status);
}
