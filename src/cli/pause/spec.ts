/**
 * The table of `denovisor pause`.
 * @module
 */
import { EACH_STATUSES, eachOptions, NAMES_OPERAND } from "../control/spec.ts";
import { defineVerb } from "../verb.ts";

/** `denovisor pause NAME...`. */
export const pauseVerb = defineVerb({
  name: "pause",
  summary: "halt running machines where they are",
  description:
    "Halts machines where they are: when it ends, no vCPU of theirs runs, and no device touches the guest's " +
    "memory. What is typed at them waits. A machine that is paused stays so.",
  operands: [NAMES_OPERAND],
  options: eachOptions,
  examples: [{ command: "denovisor pause web db", does: "halt two machines" }],
  sections: [EACH_STATUSES],
  load: async () => (await import("./pause.ts")).pause,
});
