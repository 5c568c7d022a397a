/**
 * How sides take turns, and how what they measured becomes a report's values.
 * @module
 */
import type { Extent, Measure } from "./report.ts";

/** What each side measured, by its name, one entry for each round. */
export type Rounds<T> = Readonly<Record<string, readonly T[]>>;

/**
 * Has every side take its turn in every round, in an order that alternates: what else the host does changes from one
 * round to the next, and may favour whoever comes first.
 *
 * @param sides one turn of each, by its name; ours comes first
 */
export async function takeTurns<T>(
  sides: Readonly<Record<string, () => Promise<T>>>,
  { rounds, onRound }: Pick<Extent, "rounds" | "onRound">,
): Promise<Rounds<T>> {
  const turns = Object.entries(sides).map(([name, turn]) => ({ name, turn, results: [] as T[] }));
  for (let round = 0; round < rounds; round++) {
    for (const { turn, results } of round % 2 === 0 ? turns : turns.toReversed()) {
      results.push(await turn());
    }
    onRound?.(round + 1);
  }
  return Object.fromEntries(turns.map(({ name, results }) => [name, results]));
}

/** How something is measured in what a turn gives. */
export type Picked<T> = Omit<Measure, "values"> & {
  /** The value of a turn. */
  readonly pick: (turn: T) => number;
};

/** Makes measures of what the sides did: for each of them one value of each turn. */
export function measures<T>(rounds: Rounds<T>, picked: readonly Picked<T>[]): Measure[] {
  return picked.map(({ pick, ...rest }) => ({
    ...rest,
    values: Object.fromEntries(
      Object.entries(rounds).map(([side, turns]) => [side, turns.map(pick)]),
    ),
  }));
}
