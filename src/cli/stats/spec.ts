/**
 * The table of `denovisor stats`.
 * @module
 */
import { EACH_STATUSES, NAME_OPERAND } from "../control/spec.ts";
import { defineVerb, flag, type ValuesOf } from "../verb.ts";

/** The options of `denovisor stats`. */
export const statsOptions = {
  watch: flag("tell them anew each second, until the machine ends"),
  json: flag("tell them in JSON, on one line"),
} as const;

/** The parsed options of `denovisor stats`. */
export type StatsOptions = ValuesOf<typeof statsOptions>;

/** `denovisor stats NAME`. */
export const statsVerb = defineVerb({
  name: "stats",
  summary: "tell what a running machine has done",
  description:
    "Tells what a machine has done so far: how often its vCPUs left the guest and why, the counters of its devices, " +
    "and what its process has taken of the host's CPU time and memory.",
  operands: [NAME_OPERAND],
  options: statsOptions,
  examples: [
    { command: "denovisor stats web", does: "look once" },
    { command: "denovisor stats web --watch --json", does: "a line of JSON each second" },
  ],
  sections: [{ ...EACH_STATUSES, title: "Exit status:" }],
  load: async () => (await import("./stats.ts")).stats,
});
