/**
 * Kernel command lines: built from parameters, split as the kernel splits them, and refused where the
 * kernel would cut them off or read something else than was meant.
 *
 * Source: the kernel's `Documentation/admin-guide/kernel-parameters.rst`, `lib/cmdline.c` (`next_arg`)
 * and `kernel/params.c` (`parse_args`): parameters are separated by white space outside of double quotes,
 * quotes can't be escaped, and what follows a parameter `--` goes to init. The kernel also takes byte 0xa0
 * for white space, which many characters have in UTF-8, so only printable ASCII is let through.
 * @module
 */
import { CommandLineError } from "./errors.ts";

/** COMMAND_LINE_SIZE less its NUL, for kernels whose header doesn't tell: x86 and arm64 have 2048. */
export const DEFAULT_CMDLINE_SIZE = 2047;

/** How messages call a command line that belongs to no file yet. */
const NAME = "command line";

/** A parameter as the kernel understands it. */
export interface KernelParameter {
  readonly name: string;
  /** What follows `=`, without its quotes; undefined where there's no `=`. */
  readonly value?: string;
}

/** A kernel command line under construction. */
export class CommandLine {
  /** Before `--`: for the kernel. */
  #kernel: readonly string[];
  /** After `--`: for init. */
  #init: readonly string[];

  /**
   * @param text what to begin with
   * @throws {CommandLineError} see {@link checkCommandLine}
   */
  constructor(text = "") {
    checkCommandLine(text);
    const words = splitCommandLine(text);
    // The kernel drops quotes before it compares, so `"--"` is one too.
    const dashes = words.findIndex((word) => {
      const { name, value } = parseParameter(word);
      return name === "--" && value === undefined;
    });
    this.#kernel = dashes < 0 ? words : words.slice(0, dashes);
    this.#init = dashes < 0 ? [] : words.slice(dashes + 1);
  }

  /**
   * Puts a parameter before the others, where one of the same name behind it usually overrides it: the
   * place for defaults.
   *
   * @throws {CommandLineError} a name or value that can't be said on a command line
   */
  insert(name: string, value?: string): this {
    this.#kernel = [parameterText(name, value), ...this.#kernel];
    return this;
  }

  /** Puts a parameter behind the others, but before `--`; throws as {@link CommandLine.insert} does. */
  append(name: string, value?: string): this {
    this.#kernel = [...this.#kernel, parameterText(name, value)];
    return this;
  }

  /** Adds an argument for init, behind `--`; throws as {@link CommandLine.insert} does. */
  appendInit(argument: string): this {
    this.#init = [...this.#init, quoted(argument, argument)];
    return this;
  }

  /** The kernel's parameters in order. */
  get parameters(): KernelParameter[] {
    return this.#kernel.map(parseParameter);
  }

  /** Whether the kernel is given the parameter, with or without a value. `-` and `_` are the same. */
  has(name: string): boolean {
    return this.parameters.some((parameter) => dashed(parameter.name) === dashed(name));
  }

  /** The value of the last parameter of the name that has one, as the kernel would see it. */
  get(name: string): string | undefined {
    const all = this.parameters.filter((parameter) => dashed(parameter.name) === dashed(name));
    return all.findLast(({ value }) => value !== undefined)?.value;
  }

  /** The text for the kernel. */
  toString(): string {
    const words = this.#init.length === 0 ? this.#kernel : [...this.#kernel, "--", ...this.#init];
    return words.join(" ");
  }
}

/**
 * Checks that the kernel would read a command line as it is meant, and all of it.
 *
 * @param limit the most bytes without the NUL: a bzImage's cmdline_size, {@link DEFAULT_CMDLINE_SIZE}
 * otherwise; undefined where the kernel sets none
 * @param file the kernel, for messages
 * @throws {CommandLineError} too long, a character other than printable ASCII, an open quote
 */
export function checkCommandLine(text: string, limit?: number, file = NAME): void {
  checkPrintable(text, file);
  if (text.split('"').length % 2 === 0) {
    throw new CommandLineError({
      file,
      field: "cmdline",
      value: text,
      problem: 'the command line has an odd number of double quotes ("), so the last one is open',
      remedy: "close it",
    });
  }
  if (limit !== undefined && text.length > limit) {
    throw new CommandLineError({
      file,
      field: "cmdline",
      value: text.length,
      problem: `the command line has ${text.length} bytes, but this kernel takes ${limit} and ` +
        "cuts off the rest",
      remedy: `shorten it by ${text.length - limit}`,
    });
  }
}

/**
 * Checks that a text is printable ASCII, for systems that have their own rules for the rest.
 *
 * @throws {CommandLineError} it is not
 */
export function checkPrintable(text: string, file = NAME): void {
  const bad = /[^\x20-\x7e]/u.exec(text);
  if (bad !== null) {
    const code = bad[0].codePointAt(0) ?? 0;
    const char = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
    throw new CommandLineError({
      file,
      field: "cmdline",
      value: char,
      problem: `the command line has the character ${char} at position ${bad.index}`,
      remedy: "use printable ASCII characters only",
    });
  }
}

/** The words of a command line, with their quotes. */
export function splitCommandLine(text: string): string[] {
  return text.match(/(?:"[^"]*"|[^\s"])+/g) ?? [];
}

/** `next_arg`: quotes around the whole word, or around the value, are not part of it. */
function parseParameter(word: string): KernelParameter {
  const wrapped = word.startsWith('"');
  const text = wrapped ? word.slice(1).replace(/"$/, "") : word;
  const equals = text.indexOf("=", 1);
  if (equals < 0) return { name: text };
  const value = text.slice(equals + 1);
  const inner = value.startsWith('"') ? value.slice(1).replace(/"$/, "") : value;
  return { name: text.slice(0, equals), value: inner };
}

function parameterText(name: string, value: string | undefined): string {
  if (name === "" || name === "--" || /[\s"=]/.test(name)) {
    throw new CommandLineError({
      file: NAME,
      field: "name",
      value: name,
      problem: `${JSON.stringify(name)} can't be a kernel parameter's name`,
      remedy: 'give one without white space, quotes and "="',
    });
  }
  checkCommandLine(name);
  return value === undefined ? name : `${name}=${quoted(name, value)}`;
}

/** A value, in quotes where it has a space; there's no way to write one that has a quote. */
function quoted(name: string, value: string): string {
  checkCommandLine(value.replaceAll('"', ""));
  if (value.includes('"')) {
    throw new CommandLineError({
      file: NAME,
      field: name,
      value,
      problem: `${JSON.stringify(value)} has a double quote, which the kernel has no way to escape`,
      remedy: "leave it out",
    });
  }
  return value.includes(" ") || value === "" ? `"${value}"` : value;
}

function dashed(name: string): string {
  return name.replaceAll("_", "-");
}
