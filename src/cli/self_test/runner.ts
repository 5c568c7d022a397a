/**
 * Runs cases one after another, each for a bounded time, and tells what came of them.
 * @module
 */
import { messageOf } from "../errors.ts";
import { formatDuration } from "../values.ts";
import {
  type CreateGuestMachine,
  GuestCaseError,
  type Requirement,
  type SelfTestCase,
} from "./case.ts";
import { Mismatch, Skip } from "./expect.ts";

/** What came of a case. */
export type CaseOutcome =
  | { readonly result: "pass" }
  | { readonly result: "skip"; readonly reason: string }
  | {
    readonly result: "fail";
    /** What was wrong. */
    readonly reason: string;
    /** The last lines of the guest's console; empty where there was no guest. */
    readonly console: readonly string[];
    /** What the machine's devices had to say. */
    readonly log: readonly string[];
  };

/** A case that was run, or skipped. */
export interface CaseResult {
  readonly case: SelfTestCase;
  readonly milliseconds: number;
  readonly outcome: CaseOutcome;
}

/** How cases are run. */
export interface RunnerOptions {
  readonly create: CreateGuestMachine;
  /** Aborted to end the case that is under way, and to begin no other. */
  readonly signal: AbortSignal;
  /** Why the host does not have something; undefined where it has it. */
  readonly lack: (requirement: Requirement) => string | undefined;
  /** How long a case may take, in milliseconds. */
  readonly patience: number;
  /** How long a case that was told to give up may take to do so, in milliseconds. */
  readonly grace?: number;
  /** Called before each case. */
  readonly began: (which: SelfTestCase) => void;
  /** Called with each result at once. */
  readonly done: (result: CaseResult) => void;
}

/** See {@linkcode RunnerOptions.grace}. */
const GRACE_MS = 5000;

/** Runs cases in their order. @returns the results; fewer than cases where the signal was aborted */
export async function runCases(
  cases: readonly SelfTestCase[],
  options: RunnerOptions,
): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const each of cases) {
    if (options.signal.aborted) break;
    options.began(each);
    const began = performance.now();
    const outcome = await runCase(each, options);
    // What came of a case that was interrupted says nothing.
    if (outcome === undefined) break;
    const result = { case: each, milliseconds: performance.now() - began, outcome };
    results.push(result);
    options.done(result);
  }
  return results;
}

async function runCase(
  each: SelfTestCase,
  { create, signal, lack, patience, grace = GRACE_MS }: RunnerOptions,
): Promise<CaseOutcome | undefined> {
  for (const requirement of each.needs) {
    const reason = lack(requirement);
    if (reason !== undefined) return { result: "skip", reason };
  }
  using limit = new Limit(signal, patience, grace);
  const run = (async () => await each.run({ signal: limit.signal, create }))();
  // One that does not give up in time may still fail later, when nobody waits for it.
  run.catch(() => {});
  try {
    await Promise.race([run, limit.over]);
    // Who comes to an end because the time is up has not passed.
    limit.signal.throwIfAborted();
    return { result: "pass" };
  } catch (error) {
    if (signal.aborted) return undefined;
    if (!limit.signal.aborted) return outcomeOf(error);
    // What a case says that was told to give up is that it was; the console is what tells more.
    return { ...failureOf(error), reason: `not done after ${formatDuration(patience)}` };
  }
}

/** The bounds of a case: it is told to give up when the time is up or the signal comes, and has to obey soon. */
class Limit implements Disposable {
  readonly #controller = new AbortController();
  readonly #over = Promise.withResolvers<never>();
  readonly #timer: ReturnType<typeof setTimeout>;
  #grace: ReturnType<typeof setTimeout> | undefined;
  readonly #outer: AbortSignal;
  readonly #giveUp: () => void;

  constructor(outer: AbortSignal, milliseconds: number, grace: number) {
    this.#outer = outer;
    this.#giveUp = () => {
      this.#controller.abort();
      this.#grace ??= setTimeout(() => this.#over.reject(new Mismatch("it does not end")), grace);
    };
    this.#timer = setTimeout(this.#giveUp, milliseconds);
    outer.addEventListener("abort", this.#giveUp);
  }

  /** Aborted when the case has to give up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Rejects when a case that was told to give up has not. */
  get over(): Promise<never> {
    return this.#over.promise;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#grace);
    this.#outer.removeEventListener("abort", this.#giveUp);
  }
}

/** What an error means for a case. */
function outcomeOf(error: unknown): CaseOutcome {
  const cause = error instanceof GuestCaseError ? error.cause : error;
  if (cause instanceof Skip) return { result: "skip", reason: cause.message };
  return failureOf(error);
}

function failureOf(error: unknown): Extract<CaseOutcome, { readonly result: "fail" }> {
  const { cause, console, log } = error instanceof GuestCaseError
    ? error
    : { cause: error, console: [], log: [] };
  const reason = cause instanceof Mismatch ? cause.message : messageOf(cause);
  return { result: "fail", reason, console, log };
}
