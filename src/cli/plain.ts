/**
 * Command lines of the usual form, understood without the library that understands all others and makes the help: what
 * that and the tables of all verbs cost would be a tenth of the time to a guest's first byte.
 *
 * It goes by the same table, and says nothing: of what it is not sure, the library decides, and complains.
 * @module
 */
import { kebab } from "./names.ts";
import type { OperandSpec, OptionSpec, OptionTable, ValuesOf } from "./verb.ts";

/** A command line of one verb that was understood. */
export interface PlainCall<T extends OptionTable> {
  readonly operands: readonly string[];
  readonly options: ValuesOf<T>;
}

/** What an option that was not given stands for. */
export function absent(spec: OptionSpec): unknown {
  if (spec.kind === "switch") return false;
  return spec.kind === "list" ? [] : undefined;
}

/**
 * Understands the words behind a verb that are its own options (`--memory 1G`, `--memory=1G`) and its operands.
 *
 * @param operands of the verb, none of which may be repeated
 * @returns undefined for words of any other form, and for values that are refused
 */
export function parsePlain<T extends OptionTable>(
  words: readonly string[],
  operands: readonly OperandSpec[],
  table: T,
): PlainCall<T> | undefined {
  const names = new Map(Object.keys(table).map((name) => [`--${kebab(name)}`, name]));
  const given: string[] = [];
  const options: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(table)) options[name] = absent(spec);
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (!word.startsWith("-")) {
      given.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const name = names.get(equals === -1 ? word : word.slice(0, equals));
    if (name === undefined) return undefined;
    const spec = table[name];
    if (spec.kind === "switch") {
      if (equals !== -1) return undefined;
      options[name] = true;
      continue;
    }
    const text = equals === -1 ? words[i + 1] : word.slice(equals + 1);
    if (spec.bare === true && equals === -1 && (text === undefined || /^-./.test(text))) {
      options[name] = true;
      continue;
    }
    // A value may begin so, and another option may be meant.
    if (text === undefined || text === "" || text.startsWith("-")) return undefined;
    if (spec.choices !== undefined && !spec.choices.includes(text)) return undefined;
    let value: unknown;
    try {
      value = spec.parse(text);
    } catch {
      return undefined;
    }
    const earlier = options[name];
    options[name] = spec.kind === "list" && Array.isArray(earlier) ? [...earlier, value] : value;
    if (equals === -1) i++;
  }
  const required = operands.filter(({ optional }) => optional !== true).length;
  if (given.length < required || given.length > operands.length) return undefined;
  return { operands: given, options: options as ValuesOf<T> };
}
