/**
 * The table of `denovisor resume`.
 * @module
 */
import { EACH_STATUSES, eachOptions, NAMES_OPERAND } from "../control/spec.ts";
import { defineVerb } from "../verb.ts";

/** `denovisor resume NAME...`. */
export const resumeVerb = defineVerb({
  name: "resume",
  summary: "let paused machines go on",
  description:
    "Lets machines go on where pause has halted them. A machine that runs goes on running.",
  operands: [NAMES_OPERAND],
  options: eachOptions,
  examples: [{ command: "denovisor resume web db", does: "let two machines go on" }],
  sections: [EACH_STATUSES],
  load: async () => (await import("./resume.ts")).resume,
});
