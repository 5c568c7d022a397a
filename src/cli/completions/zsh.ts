/**
 * The completion script for zsh (zshcompsys(1)): `_arguments` knows the options, with what they do; functions of this
 * script know the values that are lists.
 * @module
 */
import { PROGRAM } from "../root.ts";
import {
  type Branch,
  branches,
  type CommandLine,
  type CompletedCommand,
  type CompletedOperand,
  type CompletedOption,
  type CompletedValue,
  heading,
  type Keyed,
  shapes,
} from "./model.ts";
import type { Word } from "../verb.ts";

/** Text that zsh takes as it is. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Text between brackets or colons of a specification for `_arguments`, or before the colon of one for `_describe`. */
function plain(text: string): string {
  return text.replace(/[\\[\]:]/g, "\\$&");
}

/** What is done to complete a value: a function of this script, or a message that says what is expected. */
function action(value: CompletedValue, key: string): string {
  const name = plain(value.name);
  return value.shape === undefined ? `${name}: ` : `${name}:{_${PROGRAM}_value ${quote(key)}}`;
}

/** The specification of an option for `_arguments`, quoted. */
function optionSpec(option: CompletedOption, verb: string): string {
  const { short, long, summary, repeats, value } = option;
  const explained = `[${plain(summary)}]`;
  if (value === undefined) {
    if (short === undefined) return quote(`${long}${explained}`);
    return `${quote(`(${short} ${long})`)}{${short},${long}}${quote(explained)}`;
  }
  const colons = value.optional ? "::" : ":";
  const rest = `${explained}${colons}${action(value, `${verb} ${long}`)}`;
  if (short === undefined) return quote(`${repeats ? "*" : ""}${long}=${rest}`);
  const others = repeats ? "*" : `(${short} ${long})`;
  return `${quote(others)}{${short}+,${long}=}${quote(rest)}`;
}

/** The specification of an operand for `_arguments`, quoted. */
function operandSpec(operand: CompletedOperand, key: string): string {
  const name = plain(operand.name);
  const colons = operand.repeats ? "*:" : operand.optional ? "::" : ":";
  // A message for what can't be completed would keep options from being completed as well.
  const free = `${name}:{[[ $PREFIX == -* ]] || _message ${quote(name)}}`;
  return quote(`${colons}${operand.shape === undefined ? free : action(operand, key)}`);
}

/** What `_arguments` is told of a verb. */
function specs({ name, options, operands }: CompletedCommand): string[] {
  return [
    ...options.map((option) => optionSpec(option, name)),
    ...operands.map((operand, index) => operandSpec(operand, `${name} ${index}`)),
  ];
}

function verbArm(verb: CompletedCommand): string {
  const lines = specs(verb).map((spec) => `            ${spec}`);
  return [
    `        ${verb.name})`,
    `          _arguments -S : \\`,
    `${lines.join(" \\\n")} && ret=0`,
    "          ;;",
  ].join("\n");
}

/** Words for `_describe`. */
function described(words: readonly Word[]): string {
  return words.map(({ word, summary }) =>
    quote(summary === undefined ? plain(word) : `${plain(word)}:${summary}`)
  ).join(" ");
}

/** Offers words and files. */
function offers({ words, path }: Branch, isList: boolean, deeper: readonly string[]): string[] {
  const tied = words.filter(({ word }) => deeper.includes(word));
  const others = words.filter(({ word }) => !deeper.includes(word));
  const lines = [];
  const offer = (words: readonly Word[], suffix: string) => {
    if (words.length === 0) return;
    lines.push(`offered=(${described(words)})`, `_describe -V value offered${suffix} && ret=0`);
  };
  offer(tied, " -S ''");
  offer(others, isList ? " -S ''" : "");
  if (path !== undefined) {
    lines.push(
      `${path === "folder" ? "_path_files -/" : "_files"}${isList ? " -S ''" : ""} && ret=0`,
    );
  }
  return lines.length === 0 ? ["_message 'free text' && ret=0"] : lines;
}

/** The commands that offer what may be typed at the first item of a value, or at the next one. */
function place(found: readonly Branch[], isList: boolean): string[] {
  const deeper = found.map(({ behind }) => behind).filter((behind) => behind !== "");
  const lines: string[] = [];
  for (const [index, branch] of found.entries()) {
    if (branch.behind !== "") {
      lines.push(`${index === 0 ? "if" : "elif"} compset -P ${quote(branch.behind)}; then`);
    } else if (index > 0) {
      lines.push("else");
    }
    const indent = found.length === 1 ? "" : "  ";
    lines.push(...offers(branch, isList, deeper).map((line) => indent + line));
  }
  return found.length === 1 ? lines : [...lines, "fi"];
}

/**
 * An operand behind an option whose value may be left out is that value: `run --rng FILE`. To `_arguments` it may be
 * either.
 */
function behindOption({ name, options, operands }: CompletedCommand): string[] {
  const optional = options.filter(({ value }) => value?.optional).map(({ long }) => long);
  if (optional.length === 0 || operands.length === 0) return [];
  const keys = operands.map((_, index) => quote(`${name} ${index}`)).join(" | ");
  return [
    `    ${keys})`,
    `      case $words[CURRENT-1] in ${optional.join(" | ")}) return 1 ;; esac`,
    "      ;;",
  ];
}

function shapeArm({ key, shape }: Keyed): string {
  const all = branches(shape);
  const at = (at: Branch["at"], depth: string) =>
    place(all.filter((branch) => branch.at === at), shape.next !== undefined)
      .map((line) => depth + line);
  const lines = shape.next === undefined ? at("first", "      ") : [
    "      if compset -P '*,'; then",
    ...at("next", "        "),
    "      else",
    ...at("first", "        "),
    "      fi",
  ];
  return [`    ${quote(key)})`, ...lines, "      ;;"].join("\n");
}

/** The script, for a file `_denovisor` in a folder of `fpath`, or to be sourced. */
export function zshScript(line: CommandLine, names: readonly string[]): string {
  const { program, verbs } = line;
  const root = specs(program).map((spec) => `    ${spec}`);
  return [
    `#compdef ${names.join(" ")}`,
    heading("zsh"),
    "",
    "# Offers what may be typed for a value: of an option of a verb, or of the operand of that number.",
    `_${PROGRAM}_value() {`,
    "  local ret=1",
    "  local -a offered",
    "  case $1 in",
    ...verbs.flatMap(behindOption),
    "  esac",
    "  case $1 in",
    ...shapes(line).map(shapeArm),
    "  esac",
    "  return ret",
    "}",
    "",
    `_${PROGRAM}() {`,
    '  local curcontext="$curcontext" state ret=1',
    "  local -a line",
    "  local -A opt_args",
    "  _arguments -C -S -A '-*' : \\",
    ...root.map((spec) => `${spec} \\`),
    "    '*::argument:->verb' && ret=0",
    "  case $state in",
    "    verb)",
    `      curcontext="\${curcontext%:*:*}:${PROGRAM}-$line[1]:"`,
    "      case $line[1] in",
    ...verbs.map(verbArm),
    "      esac",
    "      ;;",
    "  esac",
    "  return ret",
    "}",
    "",
    "# The file is the function's body where zsh loads it by itself.",
    `if [[ $funcstack[1] == _${PROGRAM} ]]; then`,
    `  _${PROGRAM} "$@"`,
    "else",
    `  compdef _${PROGRAM} ${names.join(" ")}`,
    "fi",
    "",
  ].join("\n");
}
