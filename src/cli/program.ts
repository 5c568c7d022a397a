/**
 * Parser and help, made from the tables of the verbs.
 * @module
 */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { UsageError } from "./errors.ts";
import { EXIT_OK, EXIT_STATUSES, EXIT_USAGE } from "./exit_status.ts";
import { kebab } from "./names.ts";
import { absent } from "./plain.ts";
import {
  flagsOf,
  HELP_OPTION,
  HELP_VERB,
  PROGRAM,
  PROGRAM_SUMMARY,
  ROOT_EXAMPLES,
  VERB_HELP_OPTION,
  VERSION_OPTION,
} from "./root.ts";
import { print, say, type System } from "./system.ts";
import type {
  Example,
  HelpSection,
  OptionSpec,
  OptionTable,
  SwitchSpec,
  ValuesOf,
  Verb,
} from "./verb.ts";
import { versionVerb } from "./version/spec.ts";

/** A command line that was understood. */
export interface Call {
  readonly verb: Verb;
  readonly operands: readonly string[];
  readonly options: ValuesOf<OptionTable>;
}

function commanderOption(name: string, spec: OptionSpec): Option {
  const long = flagsOf({ ...spec, long: `--${kebab(name)}` });
  if (spec.kind === "switch") return new Option(long, spec.summary);
  const notes = [];
  if (spec.choices !== undefined) notes.push(spec.choices.join(", "));
  if (spec.fallback !== undefined) notes.push(`default: ${spec.fallback}`);
  const summary = notes.length === 0 ? spec.summary : `${spec.summary} (${notes.join("; ")})`;
  // Without its value such an option is `true`.
  const value = spec.bare === true ? `[${spec.value}]` : `<${spec.value}>`;
  const option = new Option(`${long} ${value}`, summary);
  return option.argParser((text: string, earlier: unknown) => {
    const value = attempt(() => parseValue(spec, text));
    if (spec.kind === "value") return value;
    return Array.isArray(earlier) ? [...earlier, value] : [value];
  });
}

function parseValue(spec: Exclude<OptionSpec, SwitchSpec>, text: string): unknown {
  if (spec.choices === undefined || spec.choices.includes(text)) return spec.parse(text);
  throw new UsageError(`It is one of ${spec.choices.join(", ")}.`);
}

/** A value's error in the form in which commander names the option that it belongs to. */
function attempt<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof UsageError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

function section({ title, rows = [], lines }: HelpSection): string {
  const width = Math.max(...rows.map(([term]) => term.length));
  const table = rows.map(([term, meaning]) => `${term.padEnd(width)}  ${meaning}`);
  return [`\n${title}`, ...[...table, ...lines].map((line) => `  ${line}`)].join("\n");
}

function exampleSection(examples: readonly Example[]): string {
  const lines = examples.flatMap(({ command, does }) => [command, `    ${does}`]);
  return section({ title: "Examples:", lines });
}

/** Commander's complaint in the form of this program's messages. */
function complain(text: string, system: System): void {
  say(system, text.replace(/^error: /, "").replace("\n(", " (").trimEnd());
}

/** How commander says that it was asked for the version. */
const VERSION_ASKED = "commander.version";

/** The parser of all verbs; a call that was understood is given to `found`. */
export function buildParser(
  verbs: readonly Verb[],
  system: System,
  found: (call: Call) => void,
): Command {
  const output = {
    writeOut: (text: string) => print(system.stdout, text),
    writeErr: (text: string) => print(system.stderr, text),
    outputError: (text: string) => complain(text, system),
  };
  const program = new Command(PROGRAM)
    .description(PROGRAM_SUMMARY)
    .usage("VERB [options]")
    .option(flagsOf(VERSION_OPTION), VERSION_OPTION.summary)
    .helpOption(flagsOf(HELP_OPTION), HELP_OPTION.summary)
    .addHelpCommand(
      new Command(HELP_VERB.name).argument(`[${HELP_VERB.operand.name}]`)
        .summary(HELP_VERB.summary).helpGroup("Verbs:"),
    )
    .commandsGroup("Verbs:")
    .exitOverride()
    .configureOutput(output)
    .addHelpText("after", () => exampleSection(ROOT_EXAMPLES))
    .addHelpText("after", () => section({ title: "Exit status:", rows: EXIT_STATUSES, lines: [] }));
  program.on(`option:${VERSION_OPTION.long.slice(2)}`, () => {
    throw new CommanderError(EXIT_OK, VERSION_ASKED, "");
  });
  for (const verb of verbs) {
    const command = program.command(verb.name)
      .summary(verb.summary)
      .description(verb.description)
      .helpOption(flagsOf(VERB_HELP_OPTION), VERB_HELP_OPTION.summary)
      .allowExcessArguments(false)
      .configureOutput({
        ...output,
        outputError: (text) => complain(`${text}Try: denovisor help ${verb.name}`, system),
      })
      .addHelpText("after", () => exampleSection(verb.examples))
      .addHelpText("after", () => verb.sections.map(section).join("\n"));
    if (verb.endsWithCommand) {
      program.enablePositionalOptions();
      command.passThroughOptions();
    }
    for (const { name, summary, optional, choices } of verb.operands) {
      const argument = new Argument(optional ? `[${name}]` : `<${name}>`, summary);
      command.addArgument(choices === undefined ? argument : argument.choices(choices));
    }
    for (const [name, spec] of Object.entries(verb.options)) {
      command.addOption(commanderOption(name, spec));
    }
    command.action(() => {
      const defaults = Object.entries(verb.options).map(([name, spec]) => [name, absent(spec)]);
      const options = { ...Object.fromEntries(defaults), ...command.opts() };
      found({ verb, operands: command.args, options });
    });
  }
  return program;
}

/** `help VERB` of a verb that does not exist is the same mistake as `VERB`, and gets the same suggestion. */
function verbWithHelp(args: readonly string[], verbs: readonly Verb[]): readonly string[] {
  const [first, verb] = args;
  if (first !== "help" || verb === undefined || verbs.some(({ name }) => name === verb)) {
    return args;
  }
  return [verb];
}

/**
 * Understands a command line. Help and complaints are printed here.
 *
 * @returns the call, or the exit status where there's nothing left to do
 */
export function parse(
  args: readonly string[],
  verbs: readonly Verb[],
  system: System,
): Call | number {
  let call: Call | undefined;
  const program = buildParser(verbs, system, (found) => call = found);
  try {
    program.parse(verbWithHelp(args, verbs), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === VERSION_ASKED) {
      const json = args.filter((word) => word === "--json").slice(0, 1);
      return parse([versionVerb.name, ...json], [versionVerb], system);
    }
    return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  }
  return call ?? EXIT_USAGE;
}
