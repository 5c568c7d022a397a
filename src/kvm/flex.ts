/**
 * C structs that end in a flexible array member: a header that counts the entries behind it.
 * @module
 */
import { type CType, roundUp, StructError, viewOf, within } from "./ctype.ts";
import type { Fields, StructInput, StructType, StructValue } from "./struct.ts";

/** The value of such a struct: the header without its count, and the entries under their C name. */
export type FlexValue<F extends Fields, C extends string, N extends string, Out> =
  & Omit<StructValue<F>, C>
  & { [K in N]: Out[] };

/** What encoding takes: any header fields but the count, and the entries. */
export type FlexInput<F extends Fields, C extends string, N extends string, In> =
  & Omit<StructInput<F>, C>
  & { readonly [K in N]: readonly In[] };

/** A header, and a flexible array of `Out` behind it. */
export class FlexType<F extends Fields, C extends string, N extends string, Out, In> {
  readonly kind = "flex";
  readonly cName: string;
  /** `sizeof` in C: the header, without entries. */
  readonly size: number;
  /** Where the entries begin. */
  readonly entriesAt: number;

  /**
   * @param header the fields before the array
   * @param count the header's field that counts the entries
   * @param entriesName the array's name in C
   * @param entry one element of the array
   */
  constructor(
    readonly header: StructType<F>,
    readonly count: C,
    readonly entriesName: N,
    readonly entry: CType<Out, In>,
  ) {
    this.cName = header.cName;
    this.entriesAt = roundUp(header.size, entry.align);
    this.size = roundUp(header.size, Math.max(header.align, entry.align));
  }

  /** How many bytes a struct with `entries` entries takes. */
  bytesFor(entries: number): number {
    return Math.max(this.size, this.entriesAt + entries * this.entry.size);
  }

  /** A struct that says it has room for `entries` entries, all zero: what a query is called with. */
  allocate(entries: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.bytesFor(entries));
    this.#writeHeader(bytes, {} as StructInput<F>, entries);
    return bytes;
  }

  /**
   * The struct's bytes; the count is the number of entries.
   *
   * @throws {StructError} a value that does not fit its field, or a field that does not exist
   */
  encode(value: FlexInput<F, C, N, In>): Uint8Array<ArrayBuffer> {
    const header: Record<string, unknown> = { ...value };
    const entries = header[this.entriesName];
    delete header[this.entriesName];
    if (!Array.isArray(entries)) {
      throw new StructError("this is not an array", `${this.cName}.${this.entriesName}`);
    }
    const bytes = new Uint8Array(this.bytesFor(entries.length));
    this.#writeHeader(bytes, header as StructInput<F>, entries.length);
    const view = new DataView(bytes.buffer, this.entriesAt);
    for (const [i, entry] of entries.entries()) {
      const path = `${this.cName}.${this.entriesName}[${i}]`;
      within(path, () => this.entry.write(view, i * this.entry.size, entry));
    }
    return bytes;
  }

  /**
   * The struct's value, copied out of `bytes`.
   *
   * @throws {StructError} when the header counts more entries than `bytes` holds
   */
  decode(bytes: Uint8Array): FlexValue<F, C, N, Out> {
    const { [this.count]: count, ...header } = this.header.decode(bytes) as Record<string, unknown>;
    const entries = Number(count);
    const view = viewOf(bytes, this.entriesAt, entries * this.entry.size, this.cName);
    const list = Array.from({ length: entries }, (_, i) => {
      return this.entry.read(view, i * this.entry.size);
    });
    return { ...header, [this.entriesName]: list } as FlexValue<F, C, N, Out>;
  }

  /** The header's count, which a query that needs more room corrects. */
  countOf(bytes: Uint8Array): number {
    return Number((this.header.decode(bytes) as Record<string, unknown>)[this.count]);
  }

  #writeHeader(bytes: Uint8Array, header: StructInput<F>, entries: number): void {
    if (Object.hasOwn(header, this.count)) {
      throw new StructError(`is the number of ${this.entriesName}`, `${this.cName}.${this.count}`);
    }
    const count = this.header.fields[this.count].size === 8 ? BigInt(entries) : entries;
    this.header.encodeInto(bytes, { ...header, [this.count]: count });
  }
}

/** What decoding a flexible struct gives. */
export type FlexValueOf<T> = T extends FlexType<infer F, infer C, infer N, infer Out, infer _In>
  ? FlexValue<F, C, N, Out>
  : never;

/** Declares a struct with a flexible array member. */
export function flex<
  F extends Fields,
  const C extends string & keyof F,
  const N extends string,
  Out,
  In,
>(
  header: StructType<F>,
  count: C,
  entriesName: N,
  entry: CType<Out, In>,
): FlexType<F, C, N, Out, In> {
  return new FlexType(header, count, entriesName, entry);
}
