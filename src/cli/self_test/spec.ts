/**
 * The table of `denovisor self-test`.
 * @module
 */
import {
  EXIT_FAILED,
  EXIT_HOST,
  EXIT_OK,
  EXIT_OUTPUT_CLOSED,
  EXIT_USAGE,
  signalStatus,
} from "../exit_status.ts";
import { defineVerb, flag, value, type ValuesOf } from "../verb.ts";

/** The options of `denovisor self-test`. */
export const selfTestOptions = {
  filter: value("WORDS", (text) => text, "only cases with all of these words in name or title"),
  list: flag("print the cases and run none"),
  json: flag("print the report as JSON on standard output"),
} as const;

/** The parsed options of `denovisor self-test`. */
export type SelfTestOptions = ValuesOf<typeof selfTestOptions>;

/** `denovisor self-test`. */
export const selfTestVerb = defineVerb({
  name: "self-test",
  summary: "try all of it on this host, with small guests",
  description:
    "Runs small guests that the program carries, each in a machine of its own, and prints what came of them. It " +
    "needs /dev/kvm and nothing else: no files, no network, no root. It also works where KVM interprets a guest's " +
    "kernel mode. What this host does not let be tried is skipped, with the reason.",
  operands: [{
    name: "CASE...",
    optional: true,
    summary: "cases by name, or by the beginning of several names; all where left out",
  }],
  options: selfTestOptions,
  examples: [
    { command: "denovisor self-test", does: "all cases, in a few seconds" },
    { command: "denovisor self-test virtio pause", does: "all cases of virtio devices, and one" },
    { command: "denovisor self-test --filter memory", does: "whatever is about memory" },
    { command: "denovisor self-test --json", does: "the report for a script" },
  ],
  sections: [
    {
      title: "Exit status:",
      lines: [
        `${EXIT_OK}    no case failed`,
        `${EXIT_FAILED}    a case failed`,
        `${EXIT_USAGE}  there is no such case or option`,
        `${EXIT_HOST}  the host has no usable /dev/kvm, or the report can't be written`,
        `${signalStatus("SIGINT")}  ended by SIGINT (Ctrl-C); also 129 SIGHUP, 143 SIGTERM`,
        `${EXIT_OUTPUT_CLOSED}  standard output was closed by its reader`,
      ],
    },
    {
      title: "JSON:",
      lines: [
        "{ version, carrier, passed, failed, skipped, notRun, milliseconds, problem?,",
        "  cases: [{ name, area, title, result, milliseconds, reason?, console?, log? }] }",
        'result is "pass", "fail" or "skip"; console has the last lines of a guest that failed,',
        "log what its devices had to say; notRun counts the cases that an end by a signal left out.",
      ],
    },
  ],
  load: async () => (await import("./action.ts")).selfTest,
});
