/**
 * What the tests of the event loop share.
 * @module
 */
import { IoLoop } from "./io_loop.ts";
import type { IoScope } from "./io_scope.ts";

/** An `onError` for scopes, or a callback, that may not be called. */
export const never = (error: unknown = new Error("a callback that may not come")) => {
  throw error;
};

/** A loop with one scope. */
export function open(entries?: number): { loop: IoLoop; scope: IoScope } {
  const loop = new IoLoop({ entries });
  return { loop, scope: loop.scope(never) };
}
