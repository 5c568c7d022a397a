/**
 * The table of `denovisor stop`.
 * @module
 */
import { EACH_STATUSES, JSON_EACH, NAMES_OPERAND } from "../control/spec.ts";
import { parseDuration } from "../values.ts";
import { defineVerb, flag, value, type ValuesOf } from "../verb.ts";

/** The options of `denovisor stop`. */
export const stopOptions = {
  force: flag("do not ask the guest, stop it at once"),
  timeout: value("TIME", parseDuration, "how long a guest that is asked may take", "10s"),
  json: JSON_EACH,
} as const;

/** The parsed options of `denovisor stop`. */
export type StopOptions = ValuesOf<typeof stopOptions>;

/** `denovisor stop NAME...`. */
export const stopVerb = defineVerb({
  name: "stop",
  summary: "end running machines",
  description:
    "Ends machines, and waits until they have given their names back. A guest with an agent (run --rootfs) is asked " +
    "to power itself off, and stopped when it takes too long; any other is stopped at once.",
  operands: [NAMES_OPERAND],
  options: stopOptions,
  examples: [
    { command: "denovisor stop web db", does: "end two machines" },
    { command: "denovisor stop --timeout 1m db", does: "give the guest a minute" },
  ],
  sections: [EACH_STATUSES],
  load: async () => (await import("./stop.ts")).stop,
});
