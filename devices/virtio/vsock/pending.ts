/**
 * The control packets that one connection has for the guest, each at most once, and their order.
 * @module
 */
import { Op } from "./packet.ts";
import type { Turn, TurnList } from "./turns.ts";

/** Who is first: the end makes all else pointless, and a connection begins before it ends in parts. */
const ORDER: readonly number[] = [
  Op.reset,
  Op.request,
  Op.response,
  Op.shutdown,
  Op.creditRequest,
  Op.creditUpdate,
];

/** A set of operations, with the connection's place in the line of those that have any. */
export class PendingControl<T> {
  #ops = 0;
  readonly #turn: Turn<T>;
  readonly #line: TurnList<T>;

  /** @param turn is in `line` while there are any */
  constructor(turn: Turn<T>, line: TurnList<T>) {
    this.#turn = turn;
    this.#line = line;
  }

  has(op: number): boolean {
    return (this.#ops & (1 << op)) !== 0;
  }

  /** Adds one. @param op one of {@linkcode Op} */
  add(op: number): void {
    this.#ops |= 1 << op;
    this.#line.push(this.#turn);
  }

  remove(op: number): void {
    this.#ops &= ~(1 << op);
    if (this.#ops === 0) this.#line.remove(this.#turn);
  }

  /** Takes the next one, of which there is one, and gets in line again if there are more. */
  next(): number {
    let next: number = Op.creditUpdate;
    for (let i = ORDER.length - 1; i >= 0; i--) {
      if (this.has(ORDER[i])) next = ORDER[i];
    }
    this.remove(next);
    if (this.#ops !== 0) this.#line.push(this.#turn);
    return next;
  }

  /** Forgets all. */
  clear(): void {
    this.#ops = 0;
    this.#line.remove(this.#turn);
  }
}
