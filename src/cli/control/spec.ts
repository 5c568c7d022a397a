/**
 * What the tables of the verbs for running machines have in common.
 * @module
 */
import { EXIT_HOST, EXIT_NO_MACHINE, EXIT_OK, EXIT_USAGE } from "../exit_status.ts";
import { flag, type HelpSection, type OperandSpec, type ValuesOf } from "../verb.ts";

/** A machine. */
export const NAME_OPERAND: OperandSpec = {
  name: "NAME",
  summary: "the machine's name, as it was given to run --name",
};

/** Some machines. */
export const NAMES_OPERAND: OperandSpec = {
  name: "NAME...",
  summary: "the machines' names, as they were given to run --name",
};

/** `--json` of a verb that tells of each machine. */
export const JSON_EACH = flag("tell what came of each machine as a list in JSON");

/** The options of a verb that has no others. */
export const eachOptions = { json: JSON_EACH } as const;

/** Those options, parsed. */
export type EachOptions = ValuesOf<typeof eachOptions>;

/** The exit statuses of what is done to machines. */
export const EACH_STATUSES: HelpSection = {
  title: "Exit status, where it did not work for a machine that of the first such one:",
  rows: [
    [`${EXIT_OK}`, "it worked"],
    [`${EXIT_NO_MACHINE}`, "no machine of that name runs"],
    [`${EXIT_USAGE}`, "it can't be a machine's name"],
    [`${EXIT_HOST}`, "the machine's process did not do it, or did not answer"],
  ],
  lines: [],
};
