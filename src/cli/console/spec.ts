/**
 * The table of `denovisor console`.
 * @module
 */
import { NAME_OPERAND } from "../control/spec.ts";
import { EXIT_HOST, EXIT_NO_MACHINE, EXIT_OK, EXIT_USAGE } from "../exit_status.ts";
import { defineVerb, flag, type ValuesOf } from "../verb.ts";

/** The options of `denovisor console`. */
export const consoleOptions = {
  json: flag("end with one line of JSON on standard error: why it ended"),
} as const;

/** The parsed options of `denovisor console`. */
export type ConsoleOptions = ValuesOf<typeof consoleOptions>;

/** `denovisor console NAME`. */
export const consoleVerb = defineVerb({
  name: "console",
  summary: "attach to a running console",
  description:
    "Shows the last lines of a machine's console and what follows, and passes on what is typed. Any number of " +
    "terminals may be attached: all see the same, and all may type. One that is too slow misses some of it, and the " +
    "guest never waits. Where standard input is no terminal, it is passed on to its end, and the console is followed " +
    "until the machine ends.",
  operands: [NAME_OPERAND],
  options: consoleOptions,
  examples: [
    { command: "denovisor console web", does: "attach; Ctrl-A d detaches" },
    { command: "denovisor console web | tee web.log", does: "keep what it shows" },
  ],
  sections: [{
    title: "Keys, where a console is attached to a terminal:",
    chapter: "KEYS",
    rows: [
      ["Ctrl-A d", "detach, and let the machine run"],
      ["Ctrl-A x", "end the machine"],
      ["Ctrl-A s", "show the machine's status"],
      ["Ctrl-A h", "show these keys"],
      ["Ctrl-A Ctrl-A", "send Ctrl-A to the guest"],
    ],
    lines: [],
  }, {
    title: "Exit status:",
    rows: [
      [`${EXIT_OK}`, "it was detached, or the machine has ended"],
      [`${EXIT_NO_MACHINE}`, "no machine of that name runs"],
      [`${EXIT_USAGE}`, "it can't be a machine's name"],
      [`${EXIT_HOST}`, "the machine's process was killed, or did not answer"],
      ["128+n", "signal n has detached it"],
    ],
    lines: [],
  }],
  load: async () => (await import("./console.ts")).console,
});
