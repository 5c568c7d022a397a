/**
 * Who is next: lists in which each member waits at most once, joined and left at once and without allocation.
 * @module
 */

/** A member's place in one list. */
export class Turn<T> {
  next: Turn<T> | undefined = undefined;
  previous: Turn<T> | undefined = undefined;
  /** Whether it is in its list. */
  waiting = false;

  constructor(readonly owner: T) {}
}

/** First come, first served: whoever is served and wants more goes to the end. */
export class TurnList<T> {
  #first: Turn<T> | undefined = undefined;
  #last: Turn<T> | undefined = undefined;

  /** Whether nobody waits. */
  get empty(): boolean {
    return this.#first === undefined;
  }

  /** Joins at the end. A turn that waits already keeps its place. */
  push(turn: Turn<T>): void {
    if (turn.waiting) return;
    turn.waiting = true;
    turn.previous = this.#last;
    if (this.#last === undefined) this.#first = turn;
    else this.#last.next = turn;
    this.#last = turn;
  }

  /** Takes the first one's turn. @returns undefined when nobody waits */
  shift(): T | undefined {
    const turn = this.#first;
    if (turn === undefined) return undefined;
    this.remove(turn);
    return turn.owner;
  }

  /** Leaves. A turn that does not wait may be given. */
  remove(turn: Turn<T>): void {
    if (!turn.waiting) return;
    if (turn.previous === undefined) this.#first = turn.next;
    else turn.previous.next = turn.next;
    if (turn.next === undefined) this.#last = turn.previous;
    else turn.next.previous = turn.previous;
    turn.next = undefined;
    turn.previous = undefined;
    turn.waiting = false;
  }
}
