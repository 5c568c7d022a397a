/**
 * What `deno test` prints, read file by file while it comes: which files are done, which failed, and which had no turn.
 * @module
 */
import { ANSI, type Counts } from "./summary.ts";

/** One file's tests. */
interface Section {
  tests: number;
  skipped: number;
}

/** Follows the output of one `deno test`. */
export class TestLog {
  readonly #sections = new Map<string, Section>();
  /** The names of the failed tests; a test with several failed steps is listed with each of them. */
  readonly #failed = new Map<string, Set<string>>();
  /** In which file a test was run, by its name: a failure is listed with the place that declares it, often a helper's. */
  readonly #places = new Map<string, string>();
  #current: string | undefined;
  #listsFailures = false;
  #ended = false;
  #rest = "";

  /** @param text the next piece of its output */
  add(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.#line(line.replace(ANSI, "").trimEnd());
  }

  /** Whether its last line has come; a run without it was ended by something else. */
  get ended(): boolean {
    return this.#ended;
  }

  /** How the tests of a file, as a path from the checkout on, came out; undefined for one that has not come to its end. */
  countsOf(file: string): Counts | undefined {
    const section = this.#sections.get(file);
    if (section === undefined || !this.#ended && file === this.#current) return undefined;
    const failed = this.#failed.get(file)?.size ?? 0;
    const passed = Math.max(section.tests - section.skipped - failed, 0);
    return { passed, failed, skipped: section.skipped };
  }

  /** How the tests of all files came out, but of some; a file that did not come to its end counts as a failed test. */
  counts(except: readonly string[] = []): Counts {
    const total = { passed: 0, failed: 0, skipped: 0 };
    for (const file of new Set([...this.#sections.keys(), ...this.#failed.keys()])) {
      if (except.includes(file)) continue;
      const counts = this.countsOf(file) ?? { passed: 0, failed: 1, skipped: 0 };
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
    }
    return total;
  }

  /** The files with a failed test, or that could not even be loaded. */
  get failedFiles(): string[] {
    return [...this.#failed.keys()];
  }

  #line(line: string): void {
    const begins = /^running (\d+) tests? from \.\/(\S+?)(?:[$#]\S+)?$/.exec(line);
    if (begins !== null) return this.#begin(begins[2], Number(begins[1]));
    if (line === " FAILURES") this.#listsFailures = true;
    if (/^(?:ok|FAILED) \| \d+ passed/.test(line)) this.#ended = true;
    if (this.#listsFailures) return this.#listFailure(line);
    const test = /^(\S.*?) \.\.\.(.*)$/.exec(line);
    if (test === null || this.#current === undefined) return;
    this.#places.set(test[1], this.#current);
    if (test[2].startsWith(" ignored (")) this.#sections.get(this.#current)!.skipped++;
  }

  #begin(file: string, tests: number): void {
    this.#current = file;
    const section = this.#sections.get(file);
    if (section === undefined) this.#sections.set(file, { tests, skipped: 0 });
    else section.tests += tests;
  }

  #listFailure(line: string): void {
    const test = /^(.*?)(?: \.\.\. .*)? => \.\/(\S+?)(?:[$#]\S+?)?:\d+:\d+$/.exec(line);
    const module = /^()\.\/(\S+?)(?:[$#]\S+)? \(uncaught error\)$/.exec(line);
    const [, name, declared] = test ?? module ?? [];
    if (declared === undefined) return;
    const file = this.#sections.has(declared) ? declared : this.#places.get(name) ?? declared;
    const names = this.#failed.get(file) ?? new Set();
    this.#failed.set(file, names.add(name));
  }
}
