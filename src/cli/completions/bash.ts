/**
 * The completion script for bash (bash(1), "Programmable Completion"). It needs no other package, and runs no program.
 *
 * Bash breaks words at `=`, `:` and `@` (COMP_WORDBREAKS), so that `--disk=a.img,cache=` arrives in pieces and only
 * the last one is replaced. The script puts the pieces together again, and answers with what belongs to the last one.
 * @module
 */
import { PROGRAM } from "../root.ts";
import {
  type Branch,
  branches,
  type CommandLine,
  heading,
  type Keyed,
  keysWithValue,
  lists,
  shapes,
} from "./model.ts";

/** Text that bash takes as it is. */
function quote(text: string): string {
  return /^[\w,./=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function pattern(keys: readonly string[]): string {
  return keys.map(quote).join(" | ");
}

/** A function whose status says whether its argument is one of some keys. */
function membership(name: string, keys: readonly string[]): string {
  const arms = keys.length === 0 ? [] : [`    ${pattern(keys)}) return 0 ;;`];
  return [`${name}() {`, "  case $1 in", ...arms, "  esac", "  return 1", "}"].join("\n");
}

function arm({ at, behind, path, words }: Branch): string {
  const set = [];
  if (behind !== "") set.push(`behind=${quote(behind)}`);
  if (path !== undefined) set.push(`path=${path}`);
  if (words.length > 0) set.push(`words=(${words.map(({ word }) => quote(word)).join(" ")})`);
  if (set.length === 0) set.push(":");
  return `        ${at}:${behind === "" ? "" : quote(behind)}*) ${set.join(" ")} ;;`;
}

function shapeArm({ key, shape }: Keyed): string {
  const arms = branches(shape).map(arm);
  return [`    ${quote(key)})`, "      case $2:$3 in", ...arms, "      esac", "      ;;"].join(
    "\n",
  );
}

function optionsArm({ name, options }: CommandLine["program"]): string {
  const words = options.flatMap(({ short, long }) => short === undefined ? [long] : [long, short]);
  return `    ${quote(`${name} -`)}) words=(${words.join(" ")}) ;;`;
}

/** What is the same for every command line. */
const ENGINE = `
_denovisor() {
  local IFS=$' \\t\\n' line=\${COMP_LINE:0:COMP_POINT} index word rest
  local -a typed=() words=()
  # The words as they were typed, the last one up to the cursor: pieces without a space between belong together.
  for ((index = 0; index <= COMP_CWORD; index++)); do
    rest=\${line#"\${line%%[![:space:]]*}"}
    if ((index < COMP_CWORD)); then word=\${COMP_WORDS[index]}; else word=$rest; fi
    if ((index == 0)) || [[ $rest != "$line" ]]; then
      typed+=("$word")
    else
      typed[\${#typed[@]} - 1]+=$word
    fi
    line=\${rest#"$word"}
  done

  # What the word at the cursor is: an option, an operand, or the value of the option before it.
  local cur=\${typed[\${#typed[@]} - 1]} verb='' option='' takes='' literal='' operands=0
  for word in "\${typed[@]:1:\${#typed[@]} - 2}"; do
    if [[ $takes == value || $takes == optional && $word != -* ]]; then
      takes=''
      continue
    fi
    takes=''
    if [[ -z $literal && $word == -- ]]; then
      literal=1
    elif [[ -z $literal && $word == -?* ]]; then
      option=$word
      if _denovisor_needs_value "$verb $option"; then takes=value; fi
      if _denovisor_may_have_value "$verb $option"; then takes=optional; fi
    elif [[ -z $verb ]]; then
      verb=$word
    else
      operands=$((operands + 1))
    fi
  done
  # A quotation that isn't closed is not part of the word.
  local quoted=''
  if [[ $cur == [\\"\\']* ]]; then
    quoted=1
    cur=\${cur:1}
  fi
  local key value=$cur prefix=''
  if [[ $takes == value || $takes == optional && $cur != -* ]]; then
    key="$verb $option"
  elif [[ -z $literal && $cur == --*=* ]]; then
    key="$verb \${cur%%=*}" prefix=\${cur%%=*}= value=\${cur#*=}
  elif [[ -z $literal && $cur == -* ]]; then
    key="$verb -"
  else
    key="$verb $operands"
  fi

  local head='' item=$value at=first path='' behind=''
  if _denovisor_is_list "$key"; then
    compopt -o nospace
    if [[ $value == *,* ]]; then head=\${value%,*}, item=\${value##*,} at=next; fi
  fi
  _denovisor_offers "$key" $at "$item"

  # Only what is behind the last break is replaced.
  local breaks='' strip=''
  for word in = : @; do
    if [[ $COMP_WORDBREAKS == *"$word"* ]]; then breaks+=$word; fi
  done
  if [[ -n $breaks && -z $quoted ]]; then strip=\${cur%"\${cur##*[$breaks]}"}; fi
  COMPREPLY=()
  for word in "\${words[@]}"; do
    word=$prefix$head$behind$word
    if [[ $word == "$cur"* ]]; then
      COMPREPLY+=("\${word#"$strip"}")
      if [[ $word == *[=:] ]]; then compopt -o nospace; fi
    fi
  done

  if [[ -z $path ]]; then return; fi
  if ((\${#COMPREPLY[@]} == 0)); then
    # Readline knows best how names of files are quoted.
    if [[ $path == folder ]]; then compopt -o dirnames; else compopt -o default; fi
    return
  fi
  local kind=-f
  if [[ $path == folder ]]; then kind=-d; fi
  while IFS= read -r word; do
    if [[ -d $word ]]; then
      printf -v word '%q/' "$word"
    elif [[ -z $quoted ]]; then
      printf -v word '%q' "$word"
    fi
    word=$prefix$head$behind$word
    COMPREPLY+=("\${word#"$strip"}")
  done < <(compgen $kind -- "\${item#"$behind"}")
}
`;

/** The script, which registers itself for programs of these names. */
export function bashScript(line: CommandLine, names: readonly string[]): string {
  return [
    heading("bash"),
    "",
    "# Whether an option needs a value, and whether it may have one.",
    membership("_denovisor_needs_value", keysWithValue(line, false)),
    membership("_denovisor_may_have_value", keysWithValue(line, true)),
    "",
    "# Whether a value is a list with commas.",
    membership("_denovisor_is_list", lists(line)),
    "",
    "# What may be typed: the words, whether the name of a file or folder (path), and what they stand behind.",
    "# $1: the verb, and its option, the number of its operand, or - for options; $2: the first item of a value or the",
    "# next; $3: the item.",
    "_denovisor_offers() {",
    "  case $1 in",
    ...[line.program, ...line.verbs].map(optionsArm),
    ...shapes(line).map(shapeArm),
    "  esac",
    "}",
    ENGINE,
    `complete -F _${PROGRAM} ${names.map(quote).join(" ")}`,
    "",
  ].join("\n");
}
