/**
 * The exit statuses of `denovisor`: one list for the code, the help and the README.
 *
 * They follow the habits of shells and of GNU coreutils' `timeout` and `env`: 124 for a timeout, 125 for a
 * failure of the program itself, 128 + n for an end by signal n. A guest may give any status through the
 * debug exit device, one of these too; where that matters, `--json` tells them apart.
 * @module
 */

/** The guest powered itself off or asked for a reset, or the user ended the machine with Ctrl-A x. */
export const EXIT_OK = 0;
/** A case of the self-test failed. */
export const EXIT_FAILED = 1;
/** No agent answers in the guest of the machine. */
export const EXIT_NO_AGENT = 120;
/** No machine of that name runs. */
export const EXIT_NO_MACHINE = 121;
/** The guest crashed. */
export const EXIT_CRASH = 122;
/** The command line, the configuration or a file named in it can't be used. */
export const EXIT_USAGE = 123;
/** The time given with `--timeout` was up. */
export const EXIT_TIMEOUT = 124;
/** The host can't do what was asked. */
export const EXIT_HOST = 125;

/** A command is there, and can't be started in the guest. */
export const EXIT_NOT_EXECUTABLE = 126;
/** There is no such command in the guest. */
export const EXIT_NOT_FOUND = 127;

/** The signals that end a machine in order, with their numbers (signal(7); the same on every architecture here). */
export const ENDING_SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

/** One of {@linkcode ENDING_SIGNALS}. */
export type EndingSignal = keyof typeof ENDING_SIGNALS;

const SIGPIPE = 13;

/** The status of a command that a signal has killed, by the signal's number. */
export function killedStatus(signal: number): number {
  return 128 + signal;
}

/** Ended by SIGINT, SIGTERM or SIGHUP. */
export function signalStatus(signal: EndingSignal): number {
  return killedStatus(ENDING_SIGNALS[signal]);
}

/** Whoever read the console's output has gone away: the status of a program that died of SIGPIPE. */
export const EXIT_OUTPUT_CLOSED = 128 + SIGPIPE;

/** Each status with its meaning, for `--help` and for documents. */
export const EXIT_STATUSES: readonly (readonly [status: string, meaning: string])[] = [
  ["0-255", "the guest's own, where it gave one through the debug exit device (port 0xf4)"],
  [`${EXIT_OK}`, "the guest powered off or reset, or the user ended it (Ctrl-A x)"],
  [`${EXIT_CRASH}`, "the guest crashed: kernel panic, triple fault, emulation failure"],
  [`${EXIT_USAGE}`, "usage: a bad option or value, a missing or invalid file"],
  [`${EXIT_TIMEOUT}`, "--timeout was up"],
  [
    `${EXIT_HOST}`,
    "the host can't: no /dev/kvm, no permission, no memory, ... (see: denovisor doctor)",
  ],
  [`${signalStatus("SIGHUP")}`, "ended by SIGHUP"],
  [`${signalStatus("SIGINT")}`, "ended by SIGINT (Ctrl-C)"],
  [`${EXIT_OUTPUT_CLOSED}`, "standard output was closed by its reader"],
  [`${signalStatus("SIGTERM")}`, "ended by SIGTERM"],
];
