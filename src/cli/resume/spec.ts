/**
 * The table of `denovisor resume`.
 * @module
 */
import { EACH_STATUSES, JSON_EACH, NAMES_OPERAND } from "../control/spec.ts";
import { defineVerb, type ValuesOf } from "../verb.ts";

/** The options of `denovisor resume`. */
export const resumeOptions = { json: JSON_EACH } as const;

/** The parsed options of `denovisor resume`. */
export type ResumeOptions = ValuesOf<typeof resumeOptions>;

/** `denovisor resume NAME...`. */
export const resumeVerb = defineVerb({
  name: "resume",
  summary: "let paused machines go on",
  description:
    "Lets machines go on where pause has halted them. A machine that runs goes on running.",
  operands: [NAMES_OPERAND],
  options: resumeOptions,
  examples: [{ command: "denovisor resume web db", does: "let two machines go on" }],
  sections: [EACH_STATUSES],
  load: async () => (await import("./resume.ts")).resume,
});
