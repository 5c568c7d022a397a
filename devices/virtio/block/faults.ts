/**
 * A disk that fails, stalls and lies as its rules say.
 *
 * Requests are looked at when they are taken, once each, and before anything is done about them. Those that have to
 * wait are kept here: at most as many as each queue may have under way. Other rules look at them anew. A pause lets
 * all that wait be done, since nothing may be under way in a machine that is paused; a driver that is gone has them
 * dropped. So what is saved has no requests in it, and rules are the host's wish, as limits are, not state.
 *
 * | the guest controls                     | what bounds it                                          |
 * | -------------------------------------- | ------------------------------------------------------- |
 * | how many requests wait                 | what a queue may have under way; then it has to wait    |
 * | sectors and lengths that a rule is for | they are only compared; a request is checked as always  |
 *
 * @module
 */
import { EIO, ENOSPC, type IoScope, type IoTimer } from "../../../src/ffi/mod.ts";
import { FaultTrigger } from "../../faults/mod.ts";
import type { BlockCounter } from "./counters.ts";
import type { BlockFault, BlockFaultOp } from "./fault_rules.ts";
import { SECTOR_SIZE } from "./protocol.ts";

/** A request as its faults see it. */
export interface FaultyRequest {
  /** What it is; undefined for what never reaches the medium. */
  readonly op: Exclude<BlockFaultOp, "any"> | undefined;
  /** The first byte that it is about; of several ranges, of the first. */
  readonly offset: number;
  /** How many bytes of data it has room for. */
  readonly room: number;
  /** Whether any of it lies in a range of bytes. */
  touches(from: number, to: number): boolean;
  /** Does it, without a part. @returns how many bytes it moves */
  carryOut(omission?: Omission): number;
  /** Answers with an I/O error. */
  refuse(errno: number): void;
  /** Answers a driver that is gone: nothing is done. */
  drop(): void;
}

/** What is left out of a request: what lies in a range of the disk, in bytes. */
export interface Omission {
  readonly from: number;
  /** Behind the last byte; may be without end. */
  readonly to: number;
  /** What the driver is told of it; and what a read puts in the place. */
  readonly as: "done" | "failed" | "zeros" | "flipped";
  /** Which bit is flipped: a number from 0 to below 1. */
  readonly bit: number;
}

/** Whom requests come back to. */
export interface FaultOwner {
  readonly io: IoScope;
  count(counter: BlockCounter, amount: number): void;
}

/** A request that waits. */
interface Held {
  readonly request: FaultyRequest;
  /** When it goes on. */
  until: number;
  /** Whether the rules look at it again then. */
  again: boolean;
}

/** One rule at work. */
class Rule extends FaultTrigger {
  readonly from: number;
  readonly to: number;

  constructor(readonly fault: BlockFault) {
    super(fault);
    const { sectors } = fault;
    this.from = sectors === undefined ? 0 : sectors[0] * SECTOR_SIZE;
    this.to = sectors === undefined ? Infinity : (sectors[1] + 1) * SECTOR_SIZE;
  }

  fits(request: FaultyRequest): boolean {
    const { fault: { op = "any", sectors, action } } = this;
    const asked = request.op;
    if (asked === undefined || (op !== "any" && op !== asked)) return false;
    if (action === "full" && asked !== "write") return false;
    const partly = action === "short" || action === "torn";
    if (partly && asked !== "read" && asked !== "write") return false;
    return sectors === undefined || request.touches(this.from, this.to);
  }
}

/** The faults of one disk. Belongs to the isolate that serves it. */
export class BlockFaults {
  readonly #owner: FaultOwner;
  readonly #timer: IoTimer;
  #rules: readonly Rule[] = [];
  #held: Held[] = [];

  constructor(owner: FaultOwner) {
    this.#owner = owner;
    this.#timer = owner.io.timer(() => this.#goOn());
  }

  /** Whether there is anything to be done: requests need not come here otherwise. */
  get active(): boolean {
    return this.#rules.length > 0;
  }

  /** Other rules, none switch all faults off. What waits is looked at anew, in a later turn of the loop. */
  set(faults: readonly BlockFault[]): void {
    this.#rules = faults.map((fault) => new Rule(fault));
    for (const held of this.#held) {
      held.until = 0;
      held.again = true;
    }
    this.#arm();
  }

  /** The rules, and what came of each. */
  show(): unknown {
    return this.#rules.map(({ fault, seen, hits }) => ({ ...fault, seen, hits }));
  }

  /** Does with a request what the rules say. @returns how many bytes it moves, now or later */
  begin(request: FaultyRequest): number {
    for (const rule of this.#rules) {
      if (rule.fits(request) && rule.fires()) return this.#apply(rule, request);
    }
    return request.carryOut();
  }

  /** Nothing waits any more. @param gone whether the driver is, too: then nothing of it is done */
  stop(gone: boolean): void {
    this.#timer.clear();
    const held = this.#held;
    this.#held = [];
    for (const { request } of held) {
      if (gone) request.drop();
      else request.carryOut();
    }
  }

  #apply(rule: Rule, request: FaultyRequest): number {
    const { action, ms = 0 } = rule.fault;
    const owner = this.#owner;
    switch (action) {
      case "error":
      case "full":
        owner.count("faults_failed", 1);
        request.refuse(action === "error" ? EIO : ENOSPC);
        return 0;
      case "stall":
        owner.count("faults_stalled", 1);
        return this.#hold({ request, until: Infinity, again: true });
      case "delay":
        owner.count("faults_delayed", 1);
        return this.#hold({ request, until: owner.io.now + ms, again: false });
      case "lie":
        owner.count("faults_lied", 1);
        return request.carryOut(lie(rule, request));
      default: {
        owner.count(action === "short" ? "faults_failed" : "faults_lied", 1);
        const from = request.offset + (rule.fault.keep ?? 0) * SECTOR_SIZE;
        const as = action === "short" ? "failed" : "done";
        return request.carryOut({ from, to: Infinity, as, bit: 0 });
      }
    }
  }

  #hold(held: Held): number {
    this.#held.push(held);
    this.#arm();
    return held.request.room;
  }

  /** Waits for whoever goes on first. */
  #arm(): void {
    let first = Infinity;
    for (const { until } of this.#held) first = Math.min(first, until);
    if (first === Infinity) this.#timer.clear();
    else this.#timer.set(Math.max(0, first - this.#owner.io.now));
  }

  #goOn(): void {
    const { now } = this.#owner.io;
    const due = this.#held.filter(({ until }) => until <= now);
    this.#held = this.#held.filter(({ until }) => until > now);
    for (const { request, again } of due) {
      if (again) this.begin(request);
      else request.carryOut();
    }
    this.#arm();
  }
}

/** What a lie leaves out: what lies in the rule's sectors. */
function lie({ fault, from, to, random }: Rule, request: FaultyRequest): Omission {
  const { data = "zeros" } = fault;
  const as = request.op !== "read" || data === "stale" ? "done" : data;
  return { from, to, as, bit: as === "flipped" ? random.next() : 0 };
}
