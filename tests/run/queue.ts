/**
 * Test files that wait for a lab, and the labs that take them side by side.
 *
 * The lab's emulator loses interrupts, and now and then crashes its kernel (tests/lab/qemu.ts): a file that fails there is
 * tried again, alone with the others that failed, and counts as failed when it does so each time. What was run more than once is told.
 * @module
 */
import { type Environment, say, show, type Shown, type ShowOptions } from "./process.ts";
import type { Counts } from "./summary.ts";

/** How often a file is tried. */
const TRIES = 3;
/** A lab whose first test is not named by then stands still. */
const LAB_START_MS = 150_000;

/** Test files, and how they are run. */
export interface Work {
  readonly title: string;
  readonly files: readonly string[];
  /** The command line that runs some of them. */
  readonly command: (files: readonly string[]) => string[];
  /** How many files share a lab, whose boot takes as long as a short one. */
  readonly together: number;
  readonly env?: Environment;
}

/** Some files of a work, to be run in one go. */
interface Job extends Work {
  readonly tries: number;
}

/** Runs a command; {@linkcode show} but in tests. */
export type Runner = (command: readonly string[], options: ShowOptions) => Promise<Shown>;

/** The files that wait, in their order, and what has become of the others. */
export class Queue {
  readonly counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  /** Files that were run more than once. */
  readonly again = new Set<string>();
  readonly #jobs: Job[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #late = new Set<string>();
  #closed = false;

  /**
   * @param signal ends what runs and what waits, when there is no more time
   * @param run runs a command
   */
  constructor(readonly signal: AbortSignal, readonly run: Runner = show) {}

  /** Files that had no turn, or did not come to their end, for lack of time. */
  get late(): readonly string[] {
    return [...this.#late];
  }

  /** Adds files. */
  add(work: Work): void {
    for (let at = 0; at < work.files.length; at += work.together) {
      this.#put({ ...work, files: work.files.slice(at, at + work.together), tries: 0 });
    }
  }

  /** Says that no more files come. */
  close(): void {
    this.#closed = true;
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Takes files and runs them, until there are no more. @param label what its lines begin with */
  async work(label: string): Promise<void> {
    for (let job = await this.#next(); job !== undefined; job = await this.#next()) {
      await this.#runJob(job, label);
    }
  }

  #put(job: Job): void {
    this.#jobs.push(job);
    this.#waiting.shift()?.();
  }

  async #next(): Promise<Job | undefined> {
    while (this.#jobs.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.#jobs.shift();
  }

  async #runJob(job: Job, label: string): Promise<void> {
    const { title, command, files, env } = job;
    if (this.signal.aborted) return this.#giveUp(files);
    say(`== ${label}${title}: ${files.join(", ")}${job.tries > 0 ? ", once more" : ""}`);
    const options = { env, label, startMs: LAB_START_MS, signal: this.signal };
    const { success, log } = await this.run(command(files), options);
    const failing = success ? [] : files.filter((file) => {
      const failed = log.countsOf(file)?.failed;
      return failed === undefined ? !log.ended : failed > 0;
    });
    // A run can also fail without a failed test.
    const open = success || failing.length > 0 ? failing : files;
    const last = job.tries + 1 === TRIES;
    for (const file of files) {
      if (open.includes(file) && !last) continue;
      const counts = log.countsOf(file);
      this.counts.passed += counts?.passed ?? 0;
      this.counts.skipped += counts?.skipped ?? 0;
      if (open.includes(file) && !this.signal.aborted) {
        this.counts.failed += Math.max(counts?.failed ?? 0, 1);
      }
    }
    if (this.signal.aborted) return this.#giveUp(open);
    if (open.length === 0 || last) return;
    for (const file of open) this.again.add(file);
    this.#put({ ...job, files: open, tries: job.tries + 1 });
  }

  #giveUp(files: readonly string[]): void {
    for (const file of files) this.#late.add(file);
  }
}
