/**
 * A device's counters: written by the isolate that serves it, read by any other at any time.
 * @module
 */

/** Named numbers in shared memory. There is one writer. */
export class Metrics<Name extends string = string> {
  /** What is posted to another isolate. */
  readonly spec: MetricsSpec<Name>;
  readonly #values: Float64Array<SharedArrayBuffer>;
  readonly #index: ReadonlyMap<Name, number>;

  constructor(spec: MetricsSpec<Name>) {
    this.spec = spec;
    this.#values = new Float64Array(spec.memory);
    this.#index = new Map(spec.names.map((name, i) => [name, i]));
  }

  /** Counters at zero. */
  static allocate<const Name extends string>(names: readonly Name[]): MetricsSpec<Name> {
    return { names, memory: new SharedArrayBuffer(names.length * 8) };
  }

  /** Adds to a counter. */
  add(name: Name, amount = 1): void {
    const at = this.#index.get(name);
    if (at !== undefined) this.#values[at] += amount;
  }

  /** Sets a gauge. */
  set(name: Name, value: number): void {
    const at = this.#index.get(name);
    if (at !== undefined) this.#values[at] = value;
  }

  /** All of them by name. */
  read(): Record<Name, number> {
    const values = {} as Record<Name, number>;
    for (const [name, at] of this.#index) values[name] = this.#values[at];
    return values;
  }
}

/** The memory of some counters and their names. */
export interface MetricsSpec<Name extends string = string> {
  readonly names: readonly Name[];
  readonly memory: SharedArrayBuffer;
}
