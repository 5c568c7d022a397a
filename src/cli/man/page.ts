/**
 * The manual page denovisor(1), in the macros of mdoc(7), made from the tables of the verbs.
 * @module
 */
import { EXIT_STATUSES } from "../exit_status.ts";
import { kebab } from "../names.ts";
import {
  HELP_VERB,
  PROGRAM,
  PROGRAM_SUMMARY,
  ROOT_EXAMPLES,
  ROOT_OPTIONS,
  type StandingOption,
  VERB_HELP_OPTION,
} from "../root.ts";
import {
  type Example,
  type HelpSection,
  isVariadic,
  type OperandSpec,
  type OptionSpec,
  type Verb,
} from "../verb.ts";
import { argument, escaped, flag, literal, macro, prose, terms } from "./roff.ts";
import { ENVIRONMENT, FILES } from "./surroundings.ts";

/** The version that the page is about. */
export interface Edition {
  readonly version: string;
  /** The day of the version: `2026-11-22`. */
  readonly date: string;
}

type Rows = readonly (readonly [term: string, meaning: string])[];

/** A summary as a sentence. */
function sentence(summary: string): string[] {
  return prose(
    `${summary[0].toUpperCase()}${summary.slice(1)}${/[.?!]$/.test(summary) ? "" : "."}`,
  );
}

function oneOf(choices: readonly string[] | undefined): string[] {
  return choices === undefined ? [] : prose(`One of ${choices.join(", ")}.`);
}

function optionEntry([name, spec]: [string, OptionSpec]): readonly [string, string[]] {
  const long = flag(`--${kebab(name)}`);
  const item = spec.short === undefined ? long : `${flag(spec.short)} , ${long}`;
  const lines = sentence(spec.summary);
  if (spec.kind === "switch") return [item, lines];
  lines.push(...oneOf(spec.choices));
  if (spec.fallback !== undefined) lines.push(...prose(`Default: ${spec.fallback}.`));
  const value = `Ar ${argument(spec.value)}`;
  return [`${item} ${spec.bare === true ? `Op ${value}` : value}`, lines];
}

function standingEntry({ short, long, summary }: StandingOption): readonly [string, string[]] {
  return [short === undefined ? flag(long) : `${flag(short)} , ${flag(long)}`, sentence(summary)];
}

function rowEntries(rows: Rows): (readonly [string, string[]])[] {
  return rows.map(([term, meaning]) => [`Cm ${argument(term)}`, sentence(meaning)]);
}

function operandMacro(operand: OperandSpec): string {
  const name = `Ar ${argument(operand.name.replace(/\.\.\.$/, ""))}`;
  const repeated = isVariadic(operand) ? `${name} ...` : name;
  return operand.optional ? `Op ${repeated}` : repeated;
}

function synopsis(verb: Verb): string[] {
  return [
    ".Nm",
    macro("Cm", verb.name),
    ...Object.keys(verb.options).length === 0 ? [] : [".Op Ar options"],
    ...verb.operands.map((operand) => `.${operandMacro(operand)}`),
  ];
}

/** A section of the help in the manual. */
function helpSection({ rows = [], lines }: HelpSection): string[] {
  return [...terms(rowEntries(rows)), ...lines.length === 0 ? [] : literal(lines)];
}

/** A title without the colon that it has in help. */
function titleOf({ title }: HelpSection): string {
  return title.replace(/:$/, "");
}

function verbSection(verb: Verb): string[] {
  const operands = verb.operands.map(({ name, summary, choices }) =>
    [`Ar ${argument(name)}`, [...sentence(summary), ...oneOf(choices)]] as const
  );
  const options = Object.entries(verb.options).map(optionEntry);
  const own = verb.sections.filter(({ chapter }) => chapter === undefined);
  return [
    `.Ss ${escaped(`${PROGRAM} ${verb.name}`)}`,
    ...prose(verb.description),
    ...terms([...operands, ...options, standingEntry(VERB_HELP_OPTION)]),
    ...own.flatMap((section) => [".Pp", ...prose(`${titleOf(section)}:`), ...helpSection(section)]),
  ];
}

function helpVerbSection(): string[] {
  const { name, summary, operand } = HELP_VERB;
  return [
    `.Ss ${escaped(`${PROGRAM} ${name}`)}`,
    ...sentence(summary),
    ...terms([[`Ar ${argument(operand.name)}`, sentence(operand.summary)]]),
  ];
}

/** The sections of all verbs that belong to one chapter. */
function chapter(name: HelpSection["chapter"], verbs: readonly Verb[]): HelpSection[] {
  return verbs.flatMap(({ sections }) => sections.filter((section) => section.chapter === name));
}

function exampleLines(examples: readonly Example[]): string[] {
  return examples.flatMap(({ command, does }, index) => [
    ...index === 0 ? [] : [".Pp"],
    ...sentence(does),
    ...literal([command]),
  ]);
}

function exampleSection(verbs: readonly Verb[]): string[] {
  const own = verbs.flatMap(({ name, examples }) =>
    examples.length === 0 ? [] : [`.Ss ${escaped(`${PROGRAM} ${name}`)}`, ...exampleLines(examples)]
  );
  return [...exampleLines(ROOT_EXAMPLES), ...own];
}

/** A day as `Dd` has it: `November 22, 2026`. */
function day(date: string): string {
  const options = { year: "numeric", month: "long", day: "numeric", timeZone: "UTC" } as const;
  return new Date(date).toLocaleDateString("en-US", options);
}

/** The page's source. */
export function manual(verbs: readonly Verb[], { version, date }: Edition): string {
  const what = PROGRAM_SUMMARY.replace(/^An? /, "").replace(/\.$/, "");
  const keys = chapter("KEYS", verbs);
  const lines = [
    `.\\" Made by: ${PROGRAM} man`,
    `.Dd ${day(date)}`,
    `.Dt ${PROGRAM.toUpperCase()} 1`,
    `.Os ${argument(`${PROGRAM} ${version}`)}`,
    ".Sh NAME",
    `.Nm ${PROGRAM}`,
    `.Nd ${escaped(what)}`,
    ".Sh SYNOPSIS",
    ...verbs.flatMap(synopsis),
    ".Nm",
    macro("Cm", HELP_VERB.name),
    `.Op Ar ${HELP_VERB.operand.name}`,
    ...ROOT_OPTIONS.flatMap(({ long }) => [".Nm", `.${flag(long)}`]),
    ".Sh DESCRIPTION",
    ...prose(PROGRAM_SUMMARY),
    ...prose("It does what its first word, a verb, says."),
    ...prose("An option's value follows it as the next word, or behind an equals sign."),
    ...prose("Words behind -- are no options."),
    ".Pp",
    ...prose("Before any verb there may be:"),
    ...terms(ROOT_OPTIONS.map(standingEntry)),
    ".Sh VERBS",
    ...verbs.flatMap(verbSection),
    ...helpVerbSection(),
    ".Sh DEVICES",
    ...prose("A device's option is followed by its properties, with commas between them."),
    ...prose("A comma in a value is written twice."),
    ...chapter("DEVICES", verbs).flatMap((section) => [
      `.Ss ${escaped(titleOf(section))}`,
      ...helpSection(section),
    ]),
    ".Sh KEYS",
    ...keys.flatMap((section) => [...prose(`${titleOf(section)}:`), ...helpSection(section)]),
    ".Sh ENVIRONMENT",
    ...terms(ENVIRONMENT.map(([name, meaning]) => [`Ev ${argument(name)}`, sentence(meaning)])),
    ".Sh FILES",
    ...terms(FILES.map(([path, meaning]) => [`Pa ${argument(path)}`, sentence(meaning)])),
    ".Sh EXIT STATUS",
    ...terms(rowEntries(EXIT_STATUSES)),
    ".Sh EXAMPLES",
    ...exampleSection(verbs),
  ];
  return `${lines.join("\n")}\n`;
}
