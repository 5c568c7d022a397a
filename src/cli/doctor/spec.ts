/**
 * The table of `denovisor doctor`.
 * @module
 */
import { EXIT_HOST, EXIT_OK } from "../exit_status.ts";
import { defineVerb, flag, type ValuesOf } from "../verb.ts";

/** The options of `denovisor doctor`. */
export const doctorOptions = {
  json: flag("print the report as JSON on standard output"),
} as const;

/** The parsed options of `denovisor doctor`. */
export type DoctorOptions = ValuesOf<typeof doctorOptions>;

/** `denovisor doctor`. */
export const doctorVerb = defineVerb({
  name: "doctor",
  summary: "tell what this host can do, with remedies",
  description:
    "Tells what this host can do: KVM, its capabilities, whether a stock kernel can run (a tiny guest tries " +
    "it), and the devices and features that some machines use. Where something is missing, it says what to do.",
  operands: [],
  options: doctorOptions,
  examples: [
    { command: "denovisor doctor", does: "a table with remedies" },
    { command: "denovisor doctor --json", does: "the same for a script" },
  ],
  sections: [
    {
      title: "Exit status:",
      lines: [
        `${EXIT_OK}    a stock kernel can run here`,
        `${EXIT_HOST}  it can't; the report says why`,
      ],
    },
    {
      title: "JSON:",
      lines: [
        "{ runsStockKernels: boolean,",
        "  checks: [{ area, name, status, detail, remedy? }] }",
        'status is "ok", "missing" (needed), or "absent" (optional, not there).',
      ],
    },
  ],
  load: async () => (await import("./doctor.ts")).doctor,
});
