/**
 * A part of an event loop of which a test has some in its own hands.
 * @module
 */
import type { IoScope } from "../../../src/ffi/mod.ts";

/** What a test does itself. */
export interface ScopeParts extends Partial<Pick<IoScope, "timer" | "operation">> {
  /** Tells the time, as {@linkcode IoScope.now}. */
  readonly now?: () => number;
}

/** The same part of the loop, with some of it replaced. */
export function scopeWith(io: IoScope, { now, timer, operation }: ScopeParts): IoScope {
  return {
    get now() {
      return now === undefined ? io.now : now();
    },
    get pending() {
      return io.pending;
    },
    event: (eventfd, fire) => io.event(eventfd, fire),
    poll: (fd, events, ready) => io.poll(fd, events, ready),
    busy: (source) => io.busy(source),
    timer: timer ?? ((fire) => io.timer(fire)),
    operation: operation ?? ((completed) => io.operation(completed)),
    whenIdle: (idle) => io.whenIdle(idle),
    close: () => io.close(),
    [Symbol.asyncDispose]: () => io[Symbol.asyncDispose](),
  };
}
