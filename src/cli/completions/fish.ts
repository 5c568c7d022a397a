/**
 * The completion script for fish (complete(1)): a line for each option, with what it does; functions of this script
 * know the values that are lists, and count operands.
 * @module
 */
import { PROGRAM } from "../root.ts";
import type { Shape, Word } from "../verb.ts";
import {
  type Branch,
  branches,
  type CommandLine,
  type CompletedCommand,
  type CompletedOption,
  heading,
  type Keyed,
  keysWithValue,
  lists,
  shapes,
} from "./model.ts";

/** Text that fish takes as it is. */
function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}

/** The arms of a `switch` with one command. */
function arm(keys: readonly string[], command: string): string[] {
  if (keys.length === 0) return [];
  return [`        case ${keys.map(quote).join(" ")}`, `            ${command}`];
}

/** A shape that fish's own options of `complete` can say; undefined for others. */
function simple({ first, next }: Shape): string | undefined {
  const words = first.words ?? [];
  if (next !== undefined || words.some(({ then, summary }) => then ?? summary)) return undefined;
  if (words.length > 0) {
    return first.path === undefined
      ? `-x -a ${quote(words.map(({ word }) => word).join(" "))}`
      : undefined;
  }
  if (first.path === "folder") return "-x -a '(__fish_complete_directories)'";
  return first.path === "file" ? "-r -F" : "-x";
}

function dynamic(key: string): string {
  return `-a ${quote(`(__${PROGRAM}_value ${quote(key)})`)}`;
}

/** The lines that declare an option. */
function optionLines(option: CompletedOption, verb: string): string[] {
  const { short, long, summary, value } = option;
  const key = `${verb} ${long}`;
  const condition = `-n ${quote(`__${PROGRAM}_in ${quote(verb)}`)}`;
  const names = `${short === undefined ? "" : `-s ${short.slice(1)} `}-l ${long.slice(2)}`;
  const line = (rest: string) => `${condition} ${names}${rest} -d ${quote(summary)}`;
  if (value === undefined) return [line("")];
  const shape = value.shape ?? { first: {} };
  if (!value.optional) return [line(` ${simple(shape) ?? `-x ${dynamic(key)}`}`)];
  // Such a value may be the next word as well, which fish doesn't know of.
  const behind = `-n ${quote(`__${PROGRAM}_at ${quote(key)}`)} ${dynamic(key)}`;
  return [line(` -f ${dynamic(key)}`), behind];
}

/** The lines that declare the operands. */
function operandLines({ name, operands }: CompletedCommand): string[] {
  return operands.flatMap(({ shape }, index) => {
    if (shape === undefined) return [];
    const key = `${name} ${index}`;
    const condition = `-n ${quote(`__${PROGRAM}_at ${quote(key)}`)}`;
    const isFile = shape.next === undefined && shape.first.path === "file" &&
      shape.first.words === undefined;
    return [`${condition} ${isFile ? "-F" : dynamic(key)}`];
  });
}

function word({ word, summary }: Word): string {
  return quote(summary === undefined ? word : `${word}\t${summary}`).replace("\t", "'\\t'");
}

/** The arm that offers what may be typed at one place of a value. */
function branchLines(key: string, { at, behind, words, path }: Branch): string[] {
  const prefix = `"$head"${behind === "" ? "" : quote(behind)}`;
  const commands = [];
  if (words.length > 0) {
    commands.push(`printf '%s\\n' ${prefix}${`{${words.map(word).join(",")}}`}`);
  }
  if (path !== undefined) {
    const rest = `(string sub -s ${behind.length + 1} -- "$item")`;
    commands.push(`__${PROGRAM}_paths ${path} ${prefix} ${rest}`);
  }
  if (commands.length === 0) commands.push("true");
  const pattern = quote(`${key} ${at} ${behind}*`);
  return [`        case ${pattern}`, ...commands.map((command) => `            ${command}`)];
}

function shapeLines({ key, shape }: Keyed): string[] {
  return branches(shape).flatMap((branch) => branchLines(key, branch));
}

/** What is the same for every command line. */
const ENGINE =
  `# The verb, and what stands at the cursor: the number of an operand, or an option whose value it may be.
function __denovisor_key
    set -l verb ''
    set -l operands 0
    set -l option ''
    set -l takes ''
    set -l literal ''
    set -l before (commandline -opc)
    for word in $before[2..-1]
        if test "$takes" = value
            set takes ''
            continue
        end
        if test "$takes" = optional; and not string match -q -- '-*' $word
            set takes ''
            continue
        end
        set takes ''
        if test -z "$literal" -a "x$word" = x--
            set literal 1
        else if test -z "$literal"; and string match -q -- '-?*' $word
            set option $word
            set takes (__denovisor_takes "$verb $option")
        else if test -z "$verb"
            set verb $word
        else
            set operands (math $operands + 1)
        end
    end
    if test -n "$takes"; and not string match -q -- '-*' (commandline -ct)
        printf '%s\\n' $verb $option
    else
        printf '%s\\n' $verb $operands
    end
end

# Whether the cursor is behind a verb, or before any.
function __denovisor_in
    set -l key (__denovisor_key)
    test "$key[1]" = "$argv[1]"
end

# Whether that which is given stands at the cursor.
function __denovisor_at
    set -l key (__denovisor_key)
    test "$key" = "$argv[1]"
end

# Names of files behind something else: the kind, what they stand behind, and what is typed of them.
function __denovisor_paths
    if test $argv[1] = folder
        set -l found (__fish_complete_directories "$argv[3]" '')
        printf '%s\\n' $argv[2]$found
    else
        set -l found (complete -C "__denovisor_no_such_command $argv[3]")
        printf '%s\\n' $argv[2]$found
    end
end
`;

/** The script, which registers itself for programs of these names. */
export function fishScript(line: CommandLine, names: readonly string[]): string {
  const commands = [line.program, ...line.verbs];
  const declarations = commands.flatMap((command) => [
    ...operandLines(command),
    ...command.options.flatMap((option) => optionLines(option, command.name)),
  ]);
  return [
    heading("fish"),
    "",
    "# Whether an option needs a value, or may have one.",
    `function __${PROGRAM}_takes`,
    "    switch $argv[1]",
    ...arm(keysWithValue(line, false), "echo value"),
    ...arm(keysWithValue(line, true), "echo optional"),
    "    end",
    "end",
    "",
    ENGINE,
    "# Offers what may be typed for a value: of an option of a verb, or of the operand of that number.",
    `function __${PROGRAM}_value`,
    "    set -l item (commandline -ct | string replace -r -- '^--[^=]*=' '')",
    "    set -l head ''",
    "    set -l at first",
    "    switch $argv[1]",
    ...arm(lists(line), "string match -q -- '*,*' \"$item\"; and set at next"),
    "    end",
    "    if test $at = next",
    "        set head (string unescape -- (string replace -r -- '[^,]*$' '' \"$item\"))",
    "        set item (string replace -r -- '^.*,' '' \"$item\")",
    "    end",
    '    switch "$argv[1] $at $item"',
    ...shapes(line).flatMap(shapeLines),
    "    end",
    "end",
    "",
    `for name in ${names.join(" ")}`,
    ...["-f", ...declarations].map((declaration) => `    complete -c $name ${declaration}`),
    "end",
    "",
  ].join("\n");
}
