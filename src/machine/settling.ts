/**
 * What is done once the machines of this process run: the start's pages are given back to the host.
 *
 * That is a matter of the process and not of one machine. So it's done once when several have been started, a second
 * after the last: not while anybody waits for a guest's first word.
 * @module
 */
import { releaseProgramPages, trimHeap } from "../ffi/mod.ts";

/** Milliseconds from a start to when its pages are no longer needed. */
const SETTLED_AFTER = 1000;

/** The machines that were started since it was last done. */
const started = new Set<Settling>();
let timer: ReturnType<typeof setTimeout> | undefined;

/** A machine's wait for that, until it's disposed of; nothing is done for machines that have ended. */
export class Settling implements Disposable {
  /** Begins to wait: the machine was just started. */
  constructor() {
    started.add(this);
    clearTimeout(timer);
    const next = setTimeout(settle, SETTLED_AFTER);
    // A process that has nothing else to do ends.
    Deno.unrefTimer(next);
    timer = next;
  }

  /** The machine has ended. A second call does nothing. */
  [Symbol.dispose](): void {
    started.delete(this);
    if (started.size === 0) clearTimeout(timer);
  }
}

function settle(): void {
  started.clear();
  trimHeap();
  releaseProgramPages();
}
