/**
 * `lab`: runs a command in the lab, as if it were run here, on a host with a full KVM.
 *
 *     deno task lab -- deno test -A tests/
 *     deno task lab --memory 4G --timing -- ./some-program
 *     deno task lab --shell
 *
 * Standard input, output and error and the exit status are the command's. With a terminal it has
 * one of its own (see `terminal.ts`); without, Ctrl-C ends the lab. Other exit statuses are listed
 * in `errors.ts`.
 *
 * @module
 */

import { Command, CommanderError, InvalidArgumentError } from "commander";
import { resolve } from "node:path";
import { RootfsError } from "../../src/rootfs/errors.ts";
import { interruptible } from "../../src/rootfs/interrupt.ts";
import { LAB_STATUS, LabError } from "./errors.ts";
import type { LabOptions, LabTiming } from "./options.ts";
import { CHECKOUT, runInLab } from "./run.ts";
import { hasTerminal, HostTerminal, keyFilter } from "./terminal.ts";

interface CliOptions {
  readonly shell?: true;
  readonly memory?: number;
  readonly cpus?: number;
  readonly share: string[];
  readonly live?: true;
  readonly scratch?: number;
  readonly module: string[];
  readonly bootTimeout?: number;
  readonly timing?: true;
}

/** Statuses that a shell gives to a command that such a signal ended: 128 + SIGINT, + SIGPIPE. */
const ENDED_BY_KEYBOARD = 130;
const OUTPUT_CLOSED = 141;

const encoder = new TextEncoder();

function say(text: string): void {
  Deno.stderr.writeSync(encoder.encode(`lab: ${text}\n`));
}

function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`);
  };
}

function memory(text: string): number {
  const match = /^(\d+)([MG])$/i.exec(text);
  const size = match === null ? 0 : Number(match[1]) * (match[2].toUpperCase() === "G" ? 1024 : 1);
  if (size >= 512 && size <= 1024 * 1024) return size;
  throw new InvalidArgumentError("It must be a size such as 4G or 1500M, 512M or more.");
}

/** Gives MiB. ext4 needs some room for itself. */
function scratch(text: string): number {
  const match = /^(\d+)([MGT])$/i.exec(text);
  const unit = { M: 1, G: 1024, T: 1024 * 1024 }[match?.[2].toUpperCase() ?? ""] ?? 0;
  const size = Number(match?.[1] ?? 0) * unit;
  if (size >= 16 && size <= 4 * 1024 * 1024) return size;
  throw new InvalidArgumentError("It must be a size such as 8G or 64M, from 16M to 4T.");
}

function append(value: string, previous: string[]): string[] {
  return [...previous, value];
}

function parseArguments(args: readonly string[]): { options: CliOptions; argv: string[] } {
  const program = new Command("lab")
    .description(
      "Run a command on an emulated host that has a full KVM. It sees this machine's " +
        `files. It works on a copy of the checkout, ${CHECKOUT}, as it is now; what it writes ` +
        "there is written here when it has ended. Elsewhere, what it writes is gone with the lab.",
    )
    .argument("[command...]", "the command and its arguments")
    .option("--shell", "an interactive shell instead of a command")
    .option(
      "--memory <size>",
      "memory of the lab, as in 4G (default: half of what is free)",
      memory,
    )
    .option("--cpus <n>", "virtual CPUs of the lab (default: 2)", integer(1, 64))
    .option("--share <folder>", "another folder to write to; may be given again", append, [])
    .option("--live", "the checkout itself instead of a copy: changes are seen at once, both ways")
    .option("--scratch <size>", "an empty disk at /scratch with ext4, as in 8G", scratch)
    .option("--module <name>", "another kernel module to load; may be given again", append, [])
    .option(
      "--boot-timeout <seconds>",
      "give up when the command is not started by then",
      integer(1, 3600),
    )
    .option("--timing", "say how long each step took")
    .passThroughOptions()
    .exitOverride()
    .addHelpText(
      "after",
      "\nExit status: the command's own; " +
        `${LAB_STATUS.usage} for wrong options, ${LAB_STATUS.unavailable} when the lab cannot be ` +
        `set up, ${LAB_STATUS.timeout} when it does not start in time, ${LAB_STATUS.died} when it ` +
        "dies.",
    );
  program.parse(args, { from: "user" });
  const options = program.opts<CliOptions>();
  const argv = options.shell ? [Deno.env.get("SHELL") ?? "/bin/sh"] : program.args;
  if (options.shell && program.args.length > 0) program.error("error: --shell takes no command");
  if (options.shell && !hasTerminal()) program.error("error: --shell needs a terminal");
  if (argv.length === 0) program.error("error: a command is missing (or --shell)");
  return { options, argv };
}

function sayTiming({ prepared, booted, started, ended }: LabTiming): void {
  const seconds = (time: number) => `${(time / 1000).toFixed(2)} s`;
  say(
    `prepared after ${seconds(prepared)}, booted after ${seconds(booted)}, command started after ` +
      `${seconds(started)} and ended after ${seconds(ended)}`,
  );
}

class EndedByKeyboard extends Error {}

/** Runs the command with this process's streams, or with its terminal. */
async function runHere(argv: [string, ...string[]], cli: CliOptions): Promise<number> {
  using terminal = hasTerminal() ? new HostTerminal() : undefined;
  const quit = new AbortController();
  const common: LabOptions = {
    memoryMiB: cli.memory,
    cpus: cli.cpus,
    shares: cli.share.map((folder) => resolve(folder)),
    live: cli.live,
    scratchMiB: cli.scratch,
    modules: cli.module,
    bootTimeout: cli.bootTimeout === undefined ? undefined : cli.bootTimeout * 1000,
    stdin: Deno.stdin.readable,
    stdout: Deno.stdout.writable,
    stderr: Deno.stderr.writable,
    signal: quit.signal,
  };
  const options: LabOptions = terminal === undefined ? common : {
    ...common,
    stdin: Deno.stdin.readable.pipeThrough(keyFilter({
      quit: () => quit.abort(new EndedByKeyboard()),
      show: (text) => Deno.stderr.writeSync(encoder.encode(text)),
    })),
    terminal,
    onStart: () => terminal.enterRaw(),
  };
  const { code, timing } = await interruptible(
    () => terminal?.[Symbol.dispose](),
    () => runInLab(argv, options),
  );
  terminal?.[Symbol.dispose]();
  if (cli.timing) sayTiming(timing);
  return code;
}

/** Runs the program; gives its exit status. */
async function main(args: readonly string[]): Promise<number> {
  try {
    const { options, argv: [name, ...rest] } = parseArguments(args);
    return await runHere([name, ...rest], options);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : LAB_STATUS.usage;
    if (error instanceof EndedByKeyboard) return ENDED_BY_KEYBOARD;
    if (error instanceof Deno.errors.BrokenPipe) return OUTPUT_CLOSED;
    if (error instanceof RootfsError) {
      say(error.message);
      return LAB_STATUS.unavailable;
    }
    if (error instanceof LabError) {
      say(error.message);
      return error.reason === "timeout" ? LAB_STATUS.timeout : LAB_STATUS.died;
    }
    throw error;
  }
}

// Reading standard input would keep the process alive after the command's end.
if (import.meta.main) Deno.exit(await main(Deno.args));
