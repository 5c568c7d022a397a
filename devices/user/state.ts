/**
 * The state of a user's device by its fields' names: `state.throws++` changes a word of shared memory.
 * @module
 */
import type { StateLayout, StateViews } from "../state.ts";

/** The fields that a device's state is made of; all of it is saved and restored by name. */
export interface StateFields<
  R extends string = string,
  N extends string = string,
  B extends string = string,
> {
  /** The highest value of each 32-bit register; the lowest is 0. What is assigned wraps at 2^32. */
  readonly registers?: Readonly<Record<R, number>>;
  /** The highest magnitude of each signed integer beyond 32 bits. */
  readonly numbers?: Readonly<Record<N, number>>;
  /** The length of each byte array. */
  readonly bytes?: Readonly<Record<B, number>>;
}

/** The fields as properties: numbers to read and assign, byte arrays to read and fill. */
export type NamedState<R extends string, N extends string, B extends string> =
  & { [K in R | N]: number }
  & { readonly [K in B]: Uint8Array<SharedArrayBuffer> };

/** The most bytes of one array of a device's state. */
const MOST_BYTES = 1 << 24;

/** A state's properties over its shared memory, in this isolate. */
export function namedState(
  layout: StateLayout<string, string, string>,
  fields: StateFields,
  { words, numbers, bytes }: StateViews<string>,
): NamedState<string, never, never> {
  const state = {};
  for (const name of Object.keys(fields.registers ?? {})) define(state, name, words, layout.word);
  for (const name of Object.keys(fields.numbers ?? {})) define(state, name, numbers, layout.number);
  for (const [name, value] of Object.entries(bytes)) Object.defineProperty(state, name, { value });
  return state as NamedState<string, never, never>;
}

function define(
  state: object,
  name: string,
  view: Uint32Array | Float64Array,
  indices: Readonly<Record<string, number>>,
): void {
  const index = indices[name];
  Object.defineProperty(state, name, {
    enumerable: true,
    get: () => view[index],
    set: (value: number) => void (view[index] = value),
  });
}

/** @throws {TypeError} saying which field can't be part of a state */
export function checkStateFields(fields: unknown): asserts fields is StateFields {
  if (typeof fields !== "object" || fields === null) throw new TypeError("state: it is an object");
  const bounds = {
    registers: [0, 0xffff_ffff],
    numbers: [0, Number.MAX_SAFE_INTEGER],
    bytes: [1, MOST_BYTES],
  };
  const names = new Set(["version"]);
  for (const [kind, table] of Object.entries(fields)) {
    if (!Object.hasOwn(bounds, kind)) {
      throw new TypeError(`state.${kind}: there are registers, numbers and bytes`);
    }
    const [least, most] = bounds[kind as keyof typeof bounds];
    for (const [name, value] of Object.entries<unknown>(table ?? {})) {
      if (names.has(name)) throw new TypeError(`state.${kind}.${name}: the name is taken`);
      names.add(name);
      if (Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most) continue;
      throw new TypeError(`state.${kind}.${name}: it is a whole number from ${least} to ${most}`);
    }
  }
}
