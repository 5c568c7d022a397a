/**
 * What `denovisor` understands without a verb: for its parser, its help, its completions and its manual.
 * @module
 */
import type { Example } from "./verb.ts";

/** What the program is called where nothing else is said. */
export const PROGRAM = "denovisor";

/** What it is. */
export const PROGRAM_SUMMARY = "A virtual machine monitor for Linux/KVM.";

/** An option without a value that is not in a verb's table. */
export interface StandingOption {
  /** Such as `-h`. */
  readonly short?: string;
  /** Such as `--help`. */
  readonly long: string;
  readonly summary: string;
}

/** `denovisor --version`. */
export const VERSION_OPTION: StandingOption = {
  short: "-V",
  long: "--version",
  summary: "print the version, its commit, and those of Deno and V8; with --json as JSON",
};

/** `denovisor --help`. */
export const HELP_OPTION: StandingOption = { short: "-h", long: "--help", summary: "print help" };

/** The options that stand before any verb, in the order of help. */
export const ROOT_OPTIONS: readonly StandingOption[] = [VERSION_OPTION, HELP_OPTION];

/** The option that every verb has. */
export const VERB_HELP_OPTION: StandingOption = { ...HELP_OPTION, summary: "print this help" };

/** `denovisor help VERB`. */
export const HELP_VERB = {
  name: "help",
  summary: "print a verb's help",
  operand: { name: "VERB", summary: "the verb; without it: all verbs" },
} as const;

/** Where to begin. */
export const ROOT_EXAMPLES: readonly Example[] = [
  { command: "denovisor doctor", does: "can this host run a stock kernel?" },
  {
    command: "denovisor run /boot/vmlinuz --initrd initrd.cpio",
    does: "boot Linux with its console in this terminal; Ctrl-A x ends it",
  },
  {
    command: "denovisor run vmlinux --console none --timeout 10s",
    does: "boot without a console, for ten seconds at most",
  },
  { command: "denovisor help run", does: "every option of run" },
];

/** An option as commander is told of it: `-h, --help`. */
export function flagsOf({ short, long }: StandingOption): string {
  return short === undefined ? long : `${short}, ${long}`;
}
