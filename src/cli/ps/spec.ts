/**
 * The table of `denovisor ps`.
 * @module
 */
import { defineVerb, flag, type ValuesOf } from "../verb.ts";

/** The options of `denovisor ps`. */
export const psOptions = {
  json: flag("list the machines in JSON"),
} as const;

/** The parsed options of `denovisor ps`. */
export type PsOptions = ValuesOf<typeof psOptions>;

/** `denovisor ps`. */
export const psVerb = defineVerb({
  name: "ps",
  summary: "list running machines",
  description:
    "Lists the machines of this user that run under a name (run --name). What those that were killed have left " +
    "behind is removed.",
  operands: [],
  options: psOptions,
  examples: [{ command: "denovisor ps --json", does: "list machines for a script" }],
  sections: [{
    title: "States:",
    rows: [
      ["starting", "it is being built, for the first time or after a reset"],
      ["running", "its vCPUs run"],
      ["paused", "pause has halted it"],
      ["ending", "it has ended, and is being cleared away"],
      ["silent", "its process does not answer"],
    ],
    lines: [],
  }],
  load: async () => (await import("./ps.ts")).ps,
});
