/**
 * A device's mutable state: named fields in one SharedArrayBuffer, with the lock that guards them.
 *
 * Naming the fields once gives each isolate fast access by index, and gives save and restore by
 * name, so that neither can forget a register.
 *
 * @module
 */

import { DeviceLock } from "../src/bus/mod.ts";

/** A device's saved state: a version and fields by name; plain JSON. */
export interface DeviceState {
  readonly version: number;
  readonly [field: string]: number | readonly number[];
}

/** Saved state that does not fit the device it is restored into. */
export class DeviceStateError extends Error {
  override name = "DeviceStateError";

  /** @param kind The kind of the device. @param problem What is wrong with which field. */
  constructor(readonly kind: string, problem: string) {
    super(`the saved state of device "${kind}" cannot be restored: ${problem}`);
  }
}

/** Takes saved state apart, field by field, and checks every one. Saved state is untrusted input. */
export class StateReader {
  readonly #kind: string;
  readonly #state: DeviceState;
  readonly #taken = new Set(["version"]);

  /** @throws {DeviceStateError} If the state has another version than `version`. */
  constructor(kind: string, version: number, state: DeviceState) {
    this.#kind = kind;
    this.#state = state;
    if (state.version !== version) {
      throw new DeviceStateError(
        kind,
        `it has version ${state.version}, and this denovisor reads version ${version}`,
      );
    }
  }

  /**
   * Takes a number from `low` to `high`.
   *
   * @throws {DeviceStateError} If the field is missing, no integer, or out of bounds.
   */
  integer(field: string, low: number, high: number): number {
    const value = this.#take(field);
    if (!isInteger(value, low, high)) {
      throw new DeviceStateError(
        this.#kind,
        `field "${field}" is ${shown(value)}, not an integer from ${low} to ${high}`,
      );
    }
    return value;
  }

  /**
   * Takes an array of bytes.
   *
   * @throws {DeviceStateError} If the field is missing, has other elements than bytes, or has fewer
   * than `least` or more than `most` of them.
   */
  bytes(field: string, least: number, most: number): Uint8Array<ArrayBuffer> {
    const value = this.#take(field);
    if (
      !Array.isArray(value) || value.length < least || value.length > most ||
      !value.every((byte) => isInteger(byte, 0, 0xff))
    ) {
      throw new DeviceStateError(
        this.#kind,
        `field "${field}" is ${shown(value)}, not an array of ${least} to ${most} bytes`,
      );
    }
    return Uint8Array.from(value);
  }

  /**
   * Takes an array of `count` numbers from `low` to `high`.
   *
   * @throws {DeviceStateError} If the field is missing, has another length, or an element that is no integer or out
   * of bounds.
   */
  integers(field: string, count: number, low: number, high: number): readonly number[] {
    const value = this.#take(field);
    if (
      !Array.isArray(value) || value.length !== count ||
      !value.every((element) => isInteger(element, low, high))
    ) {
      throw new DeviceStateError(
        this.#kind,
        `field "${field}" is ${
          shown(value)
        }, not an array of ${count} integers from ${low} to ${high}`,
      );
    }
    return value;
  }

  /** @throws {DeviceStateError} If the state has a field that nobody took. */
  finish(): void {
    for (const field of Object.keys(this.#state)) {
      if (!this.#taken.has(field)) {
        throw new DeviceStateError(this.#kind, `field "${field}" is unknown`);
      }
    }
  }

  #take(field: string): unknown {
    this.#taken.add(field);
    return Object.hasOwn(this.#state, field) ? this.#state[field] : undefined;
  }
}

/** The views of one device's state in one isolate. */
export interface StateViews<B extends string> {
  /** The lock in the state's first word. */
  readonly lock: DeviceLock;
  /** The registers, by the indices of {@linkcode StateLayout.word}. */
  readonly words: Uint32Array<SharedArrayBuffer>;
  /** The numbers, by the indices of {@linkcode StateLayout.number}. */
  readonly numbers: Float64Array<SharedArrayBuffer>;
  /** The byte arrays by name. */
  readonly bytes: Readonly<Record<B, Uint8Array<SharedArrayBuffer>>>;
}

/**
 * Where each field of a device's state lies. A layout is made once per kind of device.
 *
 * ```ts
 * import { StateLayout } from "./state.ts";
 *
 * const LAYOUT = new StateLayout({ registers: { control: 0xff }, bytes: { fifo: 16 } });
 * const state = LAYOUT.allocate();
 * const { words, bytes } = LAYOUT.views(state);
 * words[LAYOUT.word.control] = 0x80;
 * bytes.fifo[0] = 7;
 * ```
 */
export class StateLayout<
  R extends string = never,
  N extends string = never,
  B extends string = never,
> {
  /** The index of each register in {@linkcode StateViews.words}. */
  readonly word: Readonly<Record<R, number>>;
  /** The index of each number in {@linkcode StateViews.numbers}. */
  readonly number: Readonly<Record<N, number>>;

  readonly #registers: Readonly<Record<R, number>>;
  readonly #numbers: Readonly<Record<N, number>>;
  readonly #bytes: Readonly<Record<B, number>>;
  readonly #numbersAt: number;
  readonly #bytesAt: number;
  readonly #byteLength: number;

  /**
   * @param fields.registers The highest value of each 32-bit register; the lowest is 0.
   * @param fields.numbers The highest magnitude of each signed integer beyond 32 bits.
   * @param fields.bytes The length of each byte array.
   */
  constructor(
    fields: {
      readonly registers?: Readonly<Record<R, number>>;
      readonly numbers?: Readonly<Record<N, number>>;
      readonly bytes?: Readonly<Record<B, number>>;
    },
  ) {
    this.#registers = fields.registers ?? {} as Record<R, number>;
    this.#numbers = fields.numbers ?? {} as Record<N, number>;
    this.#bytes = fields.bytes ?? {} as Record<B, number>;
    // Word 0 is the lock.
    this.word = indices(keys(this.#registers), 1);
    this.number = indices(keys(this.#numbers), 0);
    const words = 1 + keys(this.#registers).length;
    this.#numbersAt = Math.ceil(words / 2) * 8;
    this.#bytesAt = this.#numbersAt + 8 * keys(this.#numbers).length;
    this.#byteLength = keys(this.#bytes).reduce((sum, name) => sum + this.#bytes[name], 0) +
      this.#bytesAt;
  }

  /** Fresh state, all zero and unlocked. */
  allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(this.#byteLength);
  }

  /** The fields of a state, in this isolate. */
  views(state: SharedArrayBuffer): StateViews<B> {
    const bytes = {} as Record<B, Uint8Array<SharedArrayBuffer>>;
    let at = this.#bytesAt;
    for (const name of keys(this.#bytes)) {
      bytes[name] = new Uint8Array(state, at, this.#bytes[name]);
      at += this.#bytes[name];
    }
    return {
      lock: new DeviceLock(new Int32Array(state, 0, 1), 0),
      words: new Uint32Array(state, 0, 1 + keys(this.#registers).length),
      numbers: new Float64Array(state, this.#numbersAt, keys(this.#numbers).length),
      bytes,
    };
  }

  /** All fields by name; the lock is none of them. */
  save(state: SharedArrayBuffer, version: number): DeviceState {
    const { words, numbers, bytes } = this.views(state);
    const saved: Record<string, number | readonly number[]> = {};
    for (const name of keys(this.#registers)) saved[name] = words[this.word[name]];
    for (const name of keys(this.#numbers)) saved[name] = numbers[this.number[name]];
    for (const name of keys(this.#bytes)) saved[name] = Array.from(bytes[name]);
    return { ...saved, version };
  }

  /**
   * Takes all of this layout's fields out of saved state and puts them in place. A device with
   * fields of its own takes those from the reader first: this call finishes the reader.
   *
   * @throws {DeviceStateError} If a field is missing, unknown or out of bounds; nothing is changed.
   */
  restore(state: SharedArrayBuffer, reader: StateReader): void {
    const registers = keys(this.#registers).map((name) =>
      reader.integer(name, 0, this.#registers[name])
    );
    const numbers = keys(this.#numbers).map((name) =>
      reader.integer(name, -this.#numbers[name], this.#numbers[name])
    );
    const bytes = keys(this.#bytes).map((name) =>
      reader.bytes(name, this.#bytes[name], this.#bytes[name])
    );
    reader.finish();
    const views = this.views(state);
    views.words.set(registers, 1);
    views.numbers.set(numbers);
    for (const [i, name] of keys(this.#bytes).entries()) views.bytes[name].set(bytes[i]);
  }
}

function keys<K extends string>(record: Readonly<Record<K, number>>): K[] {
  return Object.keys(record) as K[];
}

function indices<K extends string>(names: readonly K[], first: number): Record<K, number> {
  return Object.fromEntries(names.map((name, i) => [name, first + i])) as Record<K, number>;
}

function isInteger(value: unknown, low: number, high: number): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= low && value <= high;
}

function shown(value: unknown): string {
  const text = value === undefined ? "missing" : JSON.stringify(value) ?? typeof value;
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
