/**
 * The C types that struct layouts are made of: integers, pointers, arrays and padding.
 * @module
 */

/** What a type is, for those who walk a layout. */
export type Kind =
  | "unsigned"
  | "signed"
  | "pointer"
  | "bytes"
  | "array"
  | "pad"
  | "struct"
  | "union";

/** A C type: how large it is, how it is aligned, and how its values travel to and from bytes. */
export interface CType<Out = unknown, In = never> {
  readonly kind: Kind;
  /** Bytes. */
  readonly size: number;
  /** The power of two that its address is a multiple of. */
  readonly align: number;
  /** The value at byte `at` of `view`, copied. */
  read(view: DataView, at: number): Out;
  /** Stores `value` at byte `at` of `view`, which is zero there. @throws {StructError} */
  write(view: DataView, at: number, value: In): void;
  /** Sets the bytes of `mask` that hold a value of this type at byte `at`: all but its padding. */
  cover(mask: Uint8Array, at: number): void;
}

/** What decoding a type gives. */
export type ValueOf<T> = T extends CType<infer Out, infer _In> ? Out : never;

/** What encoding a type takes. */
export type InputOf<T> = T extends CType<infer _Out, infer In> ? In : never;

/** A value that its C type can't hold. The message begins with the path of the field. */
export class StructError extends TypeError {
  /** `"StructError"`. */
  override readonly name = "StructError";

  /** An error for the field at `path`. */
  constructor(
    /** What is wrong with the value. */
    readonly reason: string,
    /** Where it is, such as `"kvm_sregs.cs.dpl"`. */
    readonly path: string = "",
  ) {
    super(path === "" ? reason : `${path}: ${reason}`);
  }
}

/** Runs `body`; a {@link StructError} from it gets `name` at the front of its path. */
export function within(name: string, body: () => void): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof StructError)) throw error;
    const dot = error.path === "" || error.path.startsWith("[") ? "" : ".";
    throw new StructError(error.reason, name + dot + error.path);
  }
}

/** A type whose input is checked when it is written, seen as one that takes anything. */
export function encodable(type: CType): CType<unknown, unknown> {
  return type as CType<unknown, unknown>;
}

/** `value` rounded up to a multiple of `align`. */
export function roundUp(value: number, align: number): number {
  return Math.ceil(value / align) * align;
}

/** A view of the `size` bytes of `bytes` from `at` on. @throws {StructError} when there are not as many */
export function viewOf(bytes: Uint8Array, at: number, size: number, what: string): DataView {
  if (!Number.isInteger(at) || at < 0 || at + size > bytes.length) {
    throw new StructError(
      `needs ${size} bytes at ${at}, but there are ${bytes.length} in all`,
      what,
    );
  }
  return new DataView(bytes.buffer, bytes.byteOffset + at, size);
}

/** Integers of up to 32 bits, as numbers. */
class IntegerType implements CType<number, number> {
  readonly align: number;
  readonly #min: number;
  readonly #max: number;
  readonly #getter: "getUint8" | "getUint16" | "getUint32" | "getInt8" | "getInt16" | "getInt32";
  readonly #setter: "setUint8" | "setUint16" | "setUint32" | "setInt8" | "setInt16" | "setInt32";

  constructor(readonly kind: "unsigned" | "signed", readonly size: 1 | 2 | 4) {
    this.align = size;
    const bits = size * 8;
    this.#min = kind === "signed" ? -(2 ** (bits - 1)) : 0;
    this.#max = 2 ** (kind === "signed" ? bits - 1 : bits) - 1;
    const suffix = `${kind === "signed" ? "Int" : "Uint"}${bits as 8 | 16 | 32}` as const;
    this.#getter = `get${suffix}`;
    this.#setter = `set${suffix}`;
  }

  read(view: DataView, at: number): number {
    return view[this.#getter](at, true);
  }

  write(view: DataView, at: number, value: number): void {
    if (!Number.isInteger(value) || value < this.#min || value > this.#max) {
      throw new StructError(`${value} is not an integer from ${this.#min} to ${this.#max}`);
    }
    view[this.#setter](at, value, true);
  }

  cover(mask: Uint8Array, at: number): void {
    mask.fill(1, at, at + this.size);
  }
}

/** Integers of 64 bits and pointers, as bigints. */
class Integer64Type implements CType<bigint, bigint> {
  readonly size = 8;
  readonly align = 8;

  constructor(readonly kind: "unsigned" | "signed" | "pointer") {}

  read(view: DataView, at: number): bigint {
    return this.kind === "signed" ? view.getBigInt64(at, true) : view.getBigUint64(at, true);
  }

  write(view: DataView, at: number, value: bigint): void {
    const signed = this.kind === "signed";
    if (
      typeof value !== "bigint" ||
      (signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value)) !== value
    ) {
      throw new StructError(
        `${value} is not a bigint of ${signed ? "signed" : "unsigned"} 64 bits`,
      );
    }
    view.setBigUint64(at, BigInt.asUintN(64, value), true);
  }

  cover(mask: Uint8Array, at: number): void {
    mask.fill(1, at, at + 8);
  }
}

/** `__u8`. */
export const u8: CType<number, number> = new IntegerType("unsigned", 1);
/** `__u16`. */
export const u16: CType<number, number> = new IntegerType("unsigned", 2);
/** `__u32`. */
export const u32: CType<number, number> = new IntegerType("unsigned", 4);
/** `__s8`. */
export const i8: CType<number, number> = new IntegerType("signed", 1);
/** `__s16`. */
export const i16: CType<number, number> = new IntegerType("signed", 2);
/** `__s32`. */
export const i32: CType<number, number> = new IntegerType("signed", 4);
/** `__u64`. */
export const u64: CType<bigint, bigint> = new Integer64Type("unsigned");
/** `__s64`. */
export const i64: CType<bigint, bigint> = new Integer64Type("signed");
/** A pointer of a 64-bit process. */
export const ptr: CType<bigint, bigint> = new Integer64Type("pointer");

/** `__u8 x[length]`, as bytes. Shorter input is followed by zeros; longer input is refused. */
export class BytesType implements CType<Uint8Array<ArrayBuffer>, Uint8Array> {
  readonly kind = "bytes";
  readonly align = 1;

  constructor(readonly size: number) {}

  read(view: DataView, at: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(view.buffer, view.byteOffset + at, this.size).slice();
  }

  write(view: DataView, at: number, value: Uint8Array): void {
    if (!(value instanceof Uint8Array) || value.length > this.size) {
      throw new StructError(`this is not a Uint8Array of at most ${this.size} bytes`);
    }
    new Uint8Array(view.buffer, view.byteOffset + at, this.size).set(value);
  }

  cover(mask: Uint8Array, at: number): void {
    mask.fill(1, at, at + this.size);
  }
}

/** `__u8 x[length]`. */
export function bytes(length: number): BytesType {
  return new BytesType(length);
}

/** `T x[length]`. Shorter input is followed by zeros; longer input is refused. */
export class ArrayType<Out, In> implements CType<Out[], readonly In[]> {
  readonly kind = "array";
  readonly size: number;
  readonly align: number;

  constructor(readonly element: CType<Out, In>, readonly length: number) {
    this.size = element.size * length;
    this.align = element.align;
  }

  read(view: DataView, at: number): Out[] {
    return Array.from(
      { length: this.length },
      (_, i) => this.element.read(view, at + i * this.element.size),
    );
  }

  write(view: DataView, at: number, value: readonly In[]): void {
    if (!Array.isArray(value) || value.length > this.length) {
      throw new StructError(`this is not an array of at most ${this.length} elements`);
    }
    for (const [i, element] of value.entries()) {
      within(`[${i}]`, () => this.element.write(view, at + i * this.element.size, element));
    }
  }

  cover(mask: Uint8Array, at: number): void {
    for (let i = 0; i < this.length; i++) this.element.cover(mask, at + i * this.element.size);
  }
}

/** `T x[length]`. */
export function array<Out, In>(element: CType<Out, In>, length: number): ArrayType<Out, In> {
  return new ArrayType(element, length);
}

/** Padding or a reserved field: written as zeros and left out of decoded values. */
export class PadType implements CType<undefined, never> {
  readonly kind = "pad";
  readonly size: number;

  constructor(readonly align: number, count: number) {
    this.size = align * count;
  }

  read(): undefined {
    return undefined;
  }

  write(): void {
    throw new StructError("padding can't be given a value");
  }

  cover(): void {}
}

/** `__u8 pad[count]`; or with `width` 2, 4 or 8, `__u16`, `__u32` or `__u64 pad[count]`. */
export function pad(count: number, width: 1 | 2 | 4 | 8 = 1): PadType {
  return new PadType(width, count);
}
