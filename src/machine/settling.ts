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
/** The wait that is under way: its word changes where it's given up. */
let waiting: Int32Array<SharedArrayBuffer> | undefined;

/** A machine's wait for that, until it's disposed of; nothing is done for machines that have ended. */
export class Settling implements Disposable {
  /** Begins to wait: the machine was just started. */
  constructor() {
    started.add(this);
    giveUp();
    waiting = new Int32Array(new SharedArrayBuffer(4));
    void settleLater(waiting);
  }

  /** The machine has ended. A second call does nothing. */
  [Symbol.dispose](): void {
    started.delete(this);
    if (started.size === 0) giveUp();
  }
}

function giveUp(): void {
  if (waiting === undefined) return;
  Atomics.store(waiting, 0, 1);
  Atomics.notify(waiting, 0);
  waiting = undefined;
}

/** The first timer of a process loads what node's are made of, when a guest's first word is due; this wait does not. */
async function settleLater(own: Int32Array<SharedArrayBuffer>): Promise<void> {
  // It does not count as work: a process that has nothing else to do ends.
  await Atomics.waitAsync(own, 0, 0, SETTLED_AFTER).value;
  if (Atomics.load(own, 0) === 0) settle();
}

function settle(): void {
  waiting = undefined;
  started.clear();
  trimHeap();
  releaseProgramPages();
}
