/**
 * Text and macros of mdoc(7), written so that mandoc and groff take every character for itself.
 * @module
 */

/** What roff(7) would change: its escape character, and those that become typographic ones on paper. */
const ESCAPES: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  '"': "\\(dq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
};

/** Text with every character as it is; no line break in it. */
export function escaped(text: string): string {
  return text.replace(/[\\'"`^~-]/g, (character) => ESCAPES[character]).replace(/^\./, "\\&.");
}

/** Where a source line is broken. */
const WIDTH = 79;

/** A paragraph's lines: each sentence begins one, as mdoc(7) would have it. */
export function prose(text: string): string[] {
  return text.split(/(?<=[.!?]) (?=[A-Z])/).flatMap(wrapped);
}

function wrapped(sentence: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of sentence.split(" ")) {
    if (line !== "" && line.length + 1 + escaped(word).length > WIDTH) {
      lines.push(line);
      line = "";
    }
    // Each word is escaped alone, as any may come to stand at the beginning of a line.
    line += line === "" ? escaped(word) : ` ${escaped(word)}`;
  }
  return [...lines, line];
}

/** One argument of a macro: neither the name of a macro nor punctuation, whatever its text. */
export function argument(text: string): string {
  const plain = `\\&${escaped(text)}`;
  return plain.includes(" ") ? `"${plain}"` : plain;
}

/** A macro with arguments, each of which is text. */
export function macro(name: string, ...texts: readonly string[]): string {
  return [`.${name}`, ...texts.map(argument)].join(" ");
}

/** An option as a flag in a line of macros: two dashes are one of `Fl` and one of the text. */
export function flag(name: string): string {
  return `Fl ${escaped(name.slice(1))}`;
}

/** Lines that are shown as they are. */
export function literal(lines: readonly string[]): string[] {
  return [".Bd -literal -offset indent", ...lines.map(escaped), ".Ed"];
}

/** Terms with what they mean. Each is the rest of an `It` line, and lines. */
export function terms(
  entries: readonly (readonly [item: string, lines: readonly string[]])[],
): string[] {
  if (entries.length === 0) return [];
  return [
    ".Bl -tag -width Ds",
    ...entries.flatMap(([item, lines]) => [`.It ${item}`, ...lines]),
    ".El",
  ];
}
