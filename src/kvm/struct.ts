/**
 * C struct layouts with inferred TypeScript types.
 *
 * A layout is written once, field by field, as the C header has it. Offsets, padding and size follow from
 * the rules that the x86-64 and the AArch64 psABI share: every scalar is aligned to its own size, a struct
 * or union to its most aligned member, and its size is rounded up to that alignment. Both targets are
 * little-endian, and so is every layout.
 *
 * ```ts
 * import { array, struct, u16, u64, u8, type ValueOf } from "./struct.ts";
 *
 * const Point = struct("point", { tag: u8, x: u16, history: array(u64, 2) });
 * type Point = ValueOf<typeof Point>; // { tag: number; x: number; history: bigint[] }
 *
 * const bytes = Point.encode({ x: 7 }); // what is left out is zero
 * console.assert(bytes.length === 24 && Point.offsets.history === 8);
 * console.assert(Point.decode(bytes).x === 7);
 * ```
 *
 * 64-bit integers are bigints here: this is for set-up, state and reports. Hot paths read single fields
 * through a view of their own, at the offsets that a layout gives.
 * @module
 */
import {
  type CType,
  encodable,
  type InputOf,
  roundUp,
  StructError,
  type ValueOf,
  viewOf,
  within,
} from "./ctype.ts";

export * from "./ctype.ts";
export * from "./flex.ts";
export * from "./union.ts";

/** The fields of a struct in the order of their declaration. */
export type Fields = Readonly<Record<string, CType>>;

/** The names of the fields that hold a value: all but the padding. */
type Named<F extends Fields> = {
  [K in keyof F]: F[K] extends { readonly kind: "pad" } ? never : K;
}[keyof F];

/** What decoding a struct gives: every field but the padding. */
export type StructValue<F extends Fields> = { [K in Named<F>]: ValueOf<F[K]> };

/** What encoding a struct takes: any of its fields; the rest is zero. */
export type StructInput<F extends Fields> = { readonly [K in Named<F>]?: InputOf<F[K]> };

/** A C struct. */
export class StructType<F extends Fields> implements CType<StructValue<F>, StructInput<F>> {
  readonly kind = "struct";
  readonly size: number;
  readonly align: number;
  /** The byte offset of each field. */
  readonly offsets: { readonly [K in keyof F]: number };

  constructor(readonly cName: string, readonly fields: F) {
    let end = 0;
    let align = 1;
    const offsets: Record<string, number> = {};
    for (const [name, type] of Object.entries(fields)) {
      offsets[name] = roundUp(end, type.align);
      end = offsets[name] + type.size;
      align = Math.max(align, type.align);
    }
    this.size = roundUp(end, align);
    this.align = align;
    this.offsets = offsets as { [K in keyof F]: number };
  }

  /**
   * The struct's bytes. What `value` leaves out, padding included, is zero.
   *
   * @throws {StructError} a value that does not fit its field, or a field that does not exist
   */
  encode(value: StructInput<F> = {}): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.size);
    this.encodeInto(bytes, value);
    return bytes;
  }

  /**
   * Writes the struct over `bytes`, from `at` on. What `value` leaves out, padding included, becomes zero.
   *
   * @throws {StructError} as {@link encode}, or when `bytes` is too short
   */
  encodeInto(bytes: Uint8Array, value: StructInput<F>, at = 0): void {
    const view = viewOf(bytes, at, this.size, this.cName);
    bytes.fill(0, at, at + this.size);
    within(this.cName, () => this.write(view, 0, value));
  }

  /**
   * The struct's value, copied out of `bytes` from `at` on. Bytes behind the struct are ignored.
   *
   * @throws {StructError} when `bytes` is too short
   */
  decode(bytes: Uint8Array, at = 0): StructValue<F> {
    return this.read(viewOf(bytes, at, this.size, this.cName), 0);
  }

  read(view: DataView, at: number): StructValue<F> {
    const value: Record<string, unknown> = {};
    for (const [name, type] of Object.entries(this.fields)) {
      if (type.kind !== "pad") value[name] = type.read(view, at + this.offsets[name]);
    }
    return value as StructValue<F>;
  }

  write(view: DataView, at: number, value: StructInput<F>): void {
    for (const [name, given] of Object.entries(value)) {
      if (given === undefined) continue;
      const type = Object.hasOwn(this.fields, name) ? this.fields[name] : undefined;
      if (type === undefined || type.kind === "pad") {
        throw new StructError(`there is no field "${name}"`);
      }
      within(name, () => encodable(type).write(view, at + this.offsets[name], given));
    }
  }

  cover(mask: Uint8Array, at: number): void {
    for (const [name, type] of Object.entries(this.fields)) {
      type.cover(mask, at + this.offsets[name]);
    }
  }
}

/** Declares a C struct; `cName` is its tag, such as `"kvm_regs"`. */
export function struct<const F extends Fields>(cName: string, fields: F): StructType<F> {
  return new StructType(cName, fields);
}
