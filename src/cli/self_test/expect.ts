/**
 * What a case holds to be true, and what is told where it is not.
 * @module
 */

/** Something is not as it has to be; the message says what. */
export class Mismatch extends Error {
  override readonly name = "Mismatch";
}

/** A case can't be tried on this host; the message says why. */
export class Skip extends Error {
  override readonly name = "Skip";
}

/** @param problem what is told where the condition does not hold @throws {Mismatch} */
export function expect(condition: boolean, problem: string): asserts condition {
  if (!condition) throw new Mismatch(problem);
}

/**
 * Compares what can be written as JSON.
 *
 * @param what the name of what is compared
 * @throws {Mismatch} with both
 */
export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  const [found, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (found === wanted) return;
  throw new Mismatch(`${what} is ${shortened(found)} and has to be ${shortened(wanted)}`);
}

/** @throws {Mismatch} with the text */
export function expectMatch(text: string, pattern: RegExp, what: string): void {
  if (pattern.test(text)) return;
  throw new Mismatch(`${what} is ${shortened(JSON.stringify(text))} and has to match ${pattern}`);
}

/** How much of a value is shown. */
const SHOWN = 400;

function shortened(json: string | undefined): string {
  if (json === undefined) return "undefined";
  if (json.length <= SHOWN) return json;
  return `${json.slice(0, SHOWN / 2)} ... ${json.slice(-SHOWN / 2)} (${json.length} characters)`;
}
