/**
 * What a shell has to know of the command line, in the same form for every shell.
 * @module
 */
import { kebab } from "../names.ts";
import { HELP_VERB, PROGRAM, ROOT_OPTIONS, VERB_HELP_OPTION } from "../root.ts";
import {
  type Candidate,
  isVariadic,
  type OptionSpec,
  type Place,
  type Shape,
  shapeOf,
  type Verb,
  type Word,
} from "../verb.ts";

/** An option, with or without a value. */
export interface CompletedOption {
  readonly short?: string;
  readonly long: string;
  readonly summary: string;
  /** Whether it may be given several times. */
  readonly repeats: boolean;
  readonly value?: CompletedValue & {
    /** Whether it may be left out. */
    readonly optional: boolean;
  };
}

/** A value or an operand. */
export interface CompletedValue {
  /** What stands for it in help. */
  readonly name: string;
  /** What may be typed for it; undefined where that can't be listed. */
  readonly shape?: Shape;
}

/** A word that is no option. */
export interface CompletedOperand extends CompletedValue {
  readonly optional: boolean;
  /** Whether any number of them may follow. */
  readonly repeats: boolean;
}

/** The program itself, or a verb. */
export interface CompletedCommand {
  /** Empty for the program itself. */
  readonly name: string;
  readonly options: readonly CompletedOption[];
  readonly operands: readonly CompletedOperand[];
}

/** The program with its verbs. The first operand of the program is the verb. */
export interface CommandLine {
  readonly program: CompletedCommand;
  readonly verbs: readonly CompletedCommand[];
}

function optionOf([name, spec]: [string, OptionSpec]): CompletedOption {
  const { short, summary } = spec;
  const option = { short, long: `--${kebab(name)}`, summary, repeats: spec.kind === "list" };
  if (spec.kind === "switch") return option;
  return {
    ...option,
    value: { name: spec.value, optional: spec.bare === true, shape: shapeOf(spec) },
  };
}

/** The command line that these verbs make up, with what every one of them has. */
export function commandLine(verbs: readonly Verb[]): CommandLine {
  const help = { ...VERB_HELP_OPTION, repeats: false };
  const named = verbs.map(({ name, summary }) => ({ word: name, summary }));
  const { operand, name, summary } = HELP_VERB;
  const any: Shape = { first: { words: [...named, { word: name, summary }] } };
  const helped = {
    name: operand.name,
    optional: true,
    repeats: false,
    shape: { first: { words: named } },
  };
  return {
    program: {
      name: "",
      options: ROOT_OPTIONS.map((option) => ({ ...option, repeats: false })),
      operands: [{ name: operand.name, optional: false, repeats: false, shape: any }],
    },
    verbs: [
      ...verbs.map(({ name, options, operands }) => ({
        name,
        options: [...Object.entries(options).map(optionOf), help],
        operands: operands.map((operand) => ({
          name: operand.name,
          optional: operand.optional === true,
          repeats: isVariadic(operand),
          shape: shapeOf(operand),
        })),
      })),
      { name, options: [help], operands: [helped] },
    ],
  };
}

/** What may be typed behind a certain beginning of an item. */
export interface Branch {
  /** The first item of a value, or any behind a comma. */
  readonly at: "first" | "next";
  /** The item's beginning, such as `cache=`; empty for its very beginning. */
  readonly behind: string;
  readonly path?: "file" | "folder";
  readonly words: readonly Word[];
}

/** A shape as a list in which the first branch whose beginning was typed is the one. */
export function branches({ first, next }: Shape): Branch[] {
  return [...branchesAt("first", first), ...next === undefined ? [] : branchesAt("next", next)];
}

function branchesAt(at: Branch["at"], { path, words = [] }: Place<Candidate>): Branch[] {
  const deeper = words.flatMap(({ word, then }) => {
    if (then === undefined) return [];
    return [{ at, behind: word, path: then.path, words: then.words ?? [] }];
  });
  return [...deeper, { at, behind: "", path, words }];
}

/** A value's or operand's place on the command line, by which the scripts find its shape: `run --disk`, `run 0`. */
export interface Keyed {
  readonly key: string;
  readonly shape: Shape;
}

/** An option as it may be typed. */
function namesOf({ short, long }: CompletedOption): string[] {
  return short === undefined ? [long] : [long, short];
}

/** Every place for which there's something to offer. */
export function shapes({ program, verbs }: CommandLine): Keyed[] {
  const found: Keyed[] = [];
  for (const { name, options, operands } of [program, ...verbs]) {
    for (const option of options) {
      const shape = option.value?.shape;
      if (shape === undefined) continue;
      found.push(...namesOf(option).map((typed) => ({ key: `${name} ${typed}`, shape })));
    }
    for (const [index, { shape }] of operands.entries()) {
      if (shape !== undefined) found.push({ key: `${name} ${index}`, shape });
    }
  }
  return found;
}

/** The keys of the values that are lists with commas. */
export function lists(line: CommandLine): string[] {
  return shapes(line).filter(({ shape }) => shape.next !== undefined).map(({ key }) => key);
}

/** The keys of the options whose value may be left out, or may not. */
export function keysWithValue({ verbs }: CommandLine, optional: boolean): string[] {
  return verbs.flatMap(({ name, options }) =>
    options.filter(({ value }) => value?.optional === optional)
      .flatMap((option) => namesOf(option).map((typed) => `${name} ${typed}`))
  );
}

/** The first line of every script. */
export function heading(shell: string): string {
  return `# ${shell} completion for ${PROGRAM}, made by: ${PROGRAM} completions ${shell}`;
}
