/**
 * The table of `denovisor exec`.
 * @module
 */
import { NAME_OPERAND } from "../control/spec.ts";
import { UsageError } from "../errors.ts";
import {
  EXIT_HOST,
  EXIT_NO_AGENT,
  EXIT_NO_MACHINE,
  EXIT_NOT_EXECUTABLE,
  EXIT_NOT_FOUND,
  EXIT_USAGE,
} from "../exit_status.ts";
import { defineVerb, flag, list, value, type ValuesOf } from "../verb.ts";

/** `NAME=VALUE`. @throws {UsageError} */
function parseVariable(text: string): string {
  if (/^[^=\0]+=[^\0]*$/.test(text)) return text;
  throw new UsageError("It has to be NAME=VALUE.");
}

/** Text that is not empty, and that C can have. @throws {UsageError} */
function parseText(text: string): string {
  if (text !== "" && !text.includes("\0")) return text;
  throw new UsageError("It can't be empty.");
}

/** The options of `denovisor exec`. */
export const execOptions = {
  interactive: { ...flag("pass standard input on to the command"), short: "-i" },
  tty: { ...flag("give the command a terminal"), short: "-t" },
  env: {
    ...list("NAME=VALUE", parseVariable, "a variable of its environment; may be repeated"),
    short: "-e",
  },
  workdir: { ...value("DIR", parseText, "the folder in the guest that it begins in"), short: "-w" },
  user: { ...value("USER", parseText, "the user in the guest that it runs as"), short: "-u" },
  json: flag("end with one line of JSON on standard error: how the command ended"),
} as const;

/** The parsed options of `denovisor exec`. */
export type ExecOptions = ValuesOf<typeof execOptions>;

/** `denovisor exec NAME COMMAND...`. */
export const execVerb = defineVerb({
  name: "exec",
  summary: "run a command in a running guest",
  description:
    "Runs a command in the guest of a machine that was started with run --rootfs, with the standard streams of this " +
    "process: output and error output stay apart, unless the command has a terminal. All options stand before NAME; " +
    "what is behind it is the command, with or without -- between them.",
  operands: [
    NAME_OPERAND,
    { name: "COMMAND...", summary: "the program in the guest, and its arguments" },
  ],
  endsWithCommand: true,
  options: execOptions,
  examples: [
    { command: "denovisor exec web uname -r", does: "ask a guest" },
    { command: "denovisor exec -it web sh", does: "a shell in it" },
    {
      command: "tar -c site | denovisor exec -i web -- tar -xC /srv",
      does: "pass a folder on to a command",
    },
    {
      command: "denovisor exec -e LANG=C -w /tmp -u 1000 web env",
      does: "with an environment, in a folder, as a user",
    },
  ],
  sections: [{
    title: "Signals:",
    lines: [
      "Without a terminal of its own the command gets SIGINT (Ctrl-C), SIGTERM and SIGHUP as they come; the second",
      "one kills it, the third one ends this process alone. With a terminal every key goes to the guest.",
    ],
  }, {
    title: "Exit status, beside the command's own:",
    rows: [
      [`${EXIT_NO_AGENT}`, "no agent answers in the guest: it was not started with run --rootfs"],
      [`${EXIT_NO_MACHINE}`, "no machine of that name runs"],
      [`${EXIT_USAGE}`, "usage: a bad option or value"],
      [`${EXIT_HOST}`, "the machine has ended or is paused, or its process does not answer"],
      [`${EXIT_NOT_EXECUTABLE}`, "the command can't be started in the guest"],
      [`${EXIT_NOT_FOUND}`, "there is no such command in the guest"],
      ["128+n", "signal n has killed the command"],
    ],
    lines: [],
  }],
  load: async () => (await import("./exec.ts")).exec,
});
