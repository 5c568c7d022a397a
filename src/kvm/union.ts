/**
 * C unions, as objects with one property for each alternative.
 * @module
 */
import {
  type CType,
  encodable,
  type InputOf,
  roundUp,
  StructError,
  type ValueOf,
  within,
} from "./ctype.ts";

/** The alternatives of a union. */
export type Alternatives = Readonly<Record<string, CType>>;

/** What decoding a union gives: the same bytes read as each alternative. */
export type UnionValue<A extends Alternatives> = { [K in keyof A]: ValueOf<A[K]> };

/** What encoding a union takes: one alternative, or several that agree on the bytes they share. */
export type UnionInput<A extends Alternatives> = { readonly [K in keyof A]?: InputOf<A[K]> };

/**
 * A C union.
 *
 * Bytes do not tell which alternative is meant; another field does. So decoding reads all of them, and a
 * decoded value can be cloned, posted, saved and encoded again. To change one, give that one alone:
 * `{ ...entry, u: { msi } }`. Alternatives that contradict each other are refused.
 */
export class UnionType<A extends Alternatives> implements CType<UnionValue<A>, UnionInput<A>> {
  readonly kind = "union";
  readonly size: number;
  readonly align: number;

  /**
   * @param minSize what reserved alternatives (`char padding[256]`) make it larger to
   * @param anonymous whether C gives the union no name, so that its alternatives are the struct's own
   */
  constructor(readonly alternatives: A, minSize: number, readonly anonymous: boolean) {
    const types = Object.values(alternatives);
    this.align = Math.max(1, ...types.map((type) => type.align));
    this.size = roundUp(Math.max(minSize, ...types.map((type) => type.size)), this.align);
  }

  read(view: DataView, at: number): UnionValue<A> {
    const value: Record<string, unknown> = {};
    for (const [name, type] of Object.entries(this.alternatives)) value[name] = type.read(view, at);
    return value as UnionValue<A>;
  }

  write(view: DataView, at: number, value: UnionInput<A>): void {
    const given = Object.entries(value).filter(([, alternative]) => alternative !== undefined);
    const written = new Uint8Array(this.size);
    const target = new Uint8Array(view.buffer, view.byteOffset + at, this.size);
    for (const [name, alternative] of given) {
      if (!Object.hasOwn(this.alternatives, name)) {
        throw new StructError(`there is no alternative "${name}"`);
      }
      const type = this.alternatives[name];
      const bytes = new Uint8Array(this.size);
      within(name, () => encodable(type).write(new DataView(bytes.buffer), 0, alternative));
      const covered = new Uint8Array(this.size);
      type.cover(covered, 0);
      for (let i = 0; i < this.size; i++) {
        if (covered[i] === 0) continue;
        if (written[i] === 1 && target[i] !== bytes[i]) {
          const others = given.map(([other]) => other).join(", ");
          throw new StructError(`${others} contradict each other at byte ${i}; give one of them`);
        }
        target[i] = bytes[i];
        written[i] = 1;
      }
    }
  }

  cover(mask: Uint8Array, at: number): void {
    for (const type of Object.values(this.alternatives)) type.cover(mask, at);
  }
}

/** Declares a C union. */
export function union<const A extends Alternatives>(alternatives: A, minSize = 0): UnionType<A> {
  return new UnionType(alternatives, minSize, false);
}

/** Declares a C union that has a name here but none in C. */
export function anonymousUnion<const A extends Alternatives>(
  alternatives: A,
  minSize = 0,
): UnionType<A> {
  return new UnionType(alternatives, minSize, true);
}
