/**
 * How a verb is declared: one table of operands and options, from which its parser, its help, its completions and its
 * part of the manual are made.
 *
 * A declaration is light. What the verb does is imported only when it is called.
 * @module
 */
import type { System } from "./system.ts";
import { parsePath } from "./values.ts";

/** A word that may be typed. */
export interface Word {
  readonly word: string;
  readonly summary?: string;
}

/** What may be typed at one place, as far as a shell can offer it. */
export interface Place<W extends Word = Word> {
  /** Whether the name of a file fits, or that of a folder. */
  readonly path?: "file" | "folder";
  readonly words?: readonly W[];
}

/** A word at the beginning of an item. */
export interface Candidate extends Word {
  /** What follows it directly, where it is no value by itself: behind `file:`, behind `cache=`. */
  readonly then?: Place;
}

/** What may be typed for a value, for shells to complete. */
export interface Shape {
  readonly first: Place<Candidate>;
  /** Behind each comma; undefined where a comma is a character like others. */
  readonly next?: Place<Candidate>;
}

/** The name of a file. */
export const FILE: Shape = { first: { path: "file" } };

/** One of a few words. */
export function words(words: readonly string[]): Place {
  return { words: words.map((word) => ({ word })) };
}

/** An option without a value; absent is false. */
export interface SwitchSpec {
  readonly kind: "switch";
  /** Such as `-i`. */
  readonly short?: string;
  readonly summary: string;
}

/** An option with a value; the last one counts. */
export interface ValueSpec<T> {
  readonly kind: "value";
  /** Such as `-e`. */
  readonly short?: string;
  /** What stands for the value in help, such as `SIZE`. */
  readonly value: string;
  readonly summary: string;
  /** What holds where the option is left out, in words. */
  readonly fallback?: string;
  /** The only values there are, where they can be listed. */
  readonly choices?: readonly string[];
  /** What else is known of it, for completions. */
  readonly shape?: Shape;
  /** Whether it may be given without its value; it is `true` then. */
  readonly bare?: boolean;
  /** @throws {UsageError} text that is no such value */
  readonly parse: (text: string) => T;
}

/** An option with a value that may be given several times. */
export interface ListSpec<T> extends Omit<ValueSpec<T>, "kind"> {
  readonly kind: "list";
}

/** Any option. */
export type OptionSpec = SwitchSpec | ValueSpec<unknown> | ListSpec<unknown>;

/** The options of a verb by their names in code: `hugePages` is `--huge-pages`. */
export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** What parsing the options of a table gives. */
export type ValuesOf<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends SwitchSpec ? boolean
    : T[K] extends ListSpec<infer V> ? readonly V[]
    : T[K] extends ValueSpec<infer V> ? V | undefined
    : never;
};

/** An option without a value. */
export function flag(summary: string): SwitchSpec {
  return { kind: "switch", summary };
}

/** An option with a value. */
export function value<T>(
  value: string,
  parse: (text: string) => T,
  summary: string,
  fallback?: string,
): ValueSpec<T> {
  return { kind: "value", value, parse, summary, fallback };
}

/** An option with the name of a file. */
export function file(summary: string): ValueSpec<string> {
  return { ...value("FILE", parsePath, summary), shape: FILE };
}

/** An option that may be given several times. */
export function list<T>(
  value: string,
  parse: (text: string) => T,
  summary: string,
  shape?: Shape,
): ListSpec<T> {
  return { kind: "list", value, parse, summary, shape };
}

/** An option that takes one of a few words. */
export function choice<const C extends string>(
  value: string,
  choices: readonly C[],
  summary: string,
  fallback: C,
): ValueSpec<C> {
  // The parser refuses every other word before `parse` is called.
  return { kind: "value", value, choices, summary, fallback, parse: (text) => text as C };
}

/** A word of the command line that is no option. */
export interface OperandSpec {
  /** What stands for it in help; with `...` behind it the last operand may be given any number of times. */
  readonly name: string;
  /** Whether it may be left out. */
  readonly optional?: boolean;
  readonly summary: string;
  /** The only words there are, where they can be listed. */
  readonly choices?: readonly string[];
  /** What else is known of it, for completions. */
  readonly shape?: Shape;
}

/** Whether an operand may be given any number of times. */
export function isVariadic({ name }: OperandSpec): boolean {
  return name.endsWith("...");
}

/** What a shell can offer for an operand, or for the value of an option. */
export function shapeOf(spec: Pick<OperandSpec, "choices" | "shape">): Shape | undefined {
  return spec.choices === undefined ? spec.shape : { first: words(spec.choices) };
}

/** A command line that does something useful, for help. */
export interface Example {
  readonly command: string;
  readonly does: string;
}

/** A section of help, after the options. */
export interface HelpSection {
  readonly title: string;
  /** The section of the manual that it belongs to, where that isn't its verb's. */
  readonly chapter?: "DEVICES" | "KEYS" | "EXIT STATUS";
  /** Terms with their meanings; above the lines. */
  readonly rows?: readonly (readonly [term: string, meaning: string])[];
  readonly lines: readonly string[];
}

/** One verb of `denovisor`. */
export interface Verb {
  readonly name: string;
  /** A few words, for the list of verbs. */
  readonly summary: string;
  /** A few sentences, for its own help. */
  readonly description: string;
  readonly operands: readonly OperandSpec[];
  /** Whether all words behind the first operand are operands, options too: they belong to a command. */
  readonly endsWithCommand?: boolean;
  readonly options: OptionTable;
  readonly examples: readonly Example[];
  readonly sections: readonly HelpSection[];
  /** Imports the verb and does it. @returns the exit status */
  execute(
    operands: readonly string[],
    options: ValuesOf<OptionTable>,
    system: System,
  ): Promise<number>;
}

/** What a verb does, with options of its own table. */
export type Action<T extends OptionTable> = (
  operands: readonly string[],
  options: ValuesOf<T>,
  system: System,
) => Promise<number>;

/** A verb with its table and the import of what it does. */
export function defineVerb<const T extends OptionTable>(
  spec: Omit<Verb, "execute" | "options"> & {
    readonly options: T;
    readonly load: () => Promise<Action<T>>;
  },
): Verb {
  const { load, ...declaration } = spec;
  return {
    ...declaration,
    async execute(operands, options, system) {
      const action = await load();
      // The values were parsed by the parsers of this very table.
      return await action(operands, options as ValuesOf<T>, system);
    },
  };
}
