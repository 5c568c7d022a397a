/**
 * What is said on standard error while things are measured.
 * @module
 */
const encoder = new TextEncoder();

/** Prints a line on standard output. */
export function print(text: string): void {
  writeAll(Deno.stdout, `${text}\n`);
}

/** Says something on standard error. */
export function say(text: string): void {
  writeAll(Deno.stderr, `${cleared()}${text}\n`);
}

/** Tells how far a subject is: on a terminal in a line that is gone when it's done, elsewhere in lines. */
export function tellRound(name: string, done: number, rounds: number): void {
  if (!Deno.stderr.isTerminal()) say(`${name}: round ${done} of ${rounds}`);
  else {writeAll(
      Deno.stderr,
      done < rounds ? `${cleared()}${name}: round ${done} of ${rounds}` : cleared(),
    );}
}

/** Clears the line, which may hold how far something is. */
function cleared(): string {
  return Deno.stderr.isTerminal() ? "\r\x1b[K" : "";
}

function writeAll(stream: typeof Deno.stdout | typeof Deno.stderr, text: string): void {
  const bytes = encoder.encode(text);
  for (let at = 0; at < bytes.length;) at += stream.writeSync(bytes.subarray(at));
}
