/**
 * Guests that drive a device natively for so long, and count what they get done in a time that they take with the
 * time-stamp counter: tests/payloads/native/{block,net}_speed.c.
 * @module
 */
import { type Guest, guestTscKhz, type Monitor, runGuest } from "./monitors/mod.ts";
import { compile } from "../tests/payloads/compile.ts";

/** For a start and an end on a busy host, beside what is measured. */
const PATIENCE_MS = 60_000;

/** How often something was done in a second, by the guest's name for it. */
export type Rates<Kind extends string> = Readonly<Record<Kind, number>>;

/** A guest that times some kinds of work, for a given time each. */
export class SpeedGuest<Kind extends string> {
  readonly #kinds: readonly Kind[];
  readonly #program: string;
  readonly #tscKhz: number;
  readonly #seconds: number;

  private constructor(kinds: readonly Kind[], program: string, seconds: number) {
    this.#kinds = kinds;
    this.#program = program;
    this.#tscKhz = guestTscKhz();
    this.#seconds = seconds;
  }

  /**
   * Builds it.
   *
   * @param name of the program @param kinds the guest's names for them @param seconds for each kind
   * @throws {RootfsError} where gcc is not installed
   */
  static async build<Kind extends string>(
    name: string,
    kinds: readonly Kind[],
    seconds: number,
  ): Promise<SpeedGuest<Kind>> {
    return new SpeedGuest(kinds, await compile(name), seconds);
  }

  /** The guest with its devices. @param parameters beside how long it measures */
  with(rest: Pick<Guest, "devices" | "hugePages">, parameters: Guest["parameters"] = {}): Guest {
    const ticks = Math.round(this.#seconds * this.#tscKhz * 1000);
    return { ...rest, program: this.#program, parameters: { ticks, ...parameters } };
  }

  /** What it prints when it runs. @throws {CommandError} when it fails, as it does where something is wrong */
  run(monitor: Monitor, guest: Guest): Promise<string> {
    return runGuest(monitor, guest, PATIENCE_MS + 4000 * this.#seconds * this.#kinds.length);
  }

  /** The lines `NAME=COUNT/TICKS` of what it has printed. @throws {Error} when one isn't there */
  rates(text: string): Rates<Kind> {
    const rate = (kind: Kind): [Kind, number] => {
      const match = new RegExp(`^${kind}=(\\d+)/(\\d+)$`, "m").exec(text);
      if (match === null) throw new Error(`the guest did not tell ${kind}; it printed: ${text}`);
      return [kind, Number(match[1]) / Number(match[2]) * this.#tscKhz * 1000];
    };
    return Object.fromEntries(this.#kinds.map(rate)) as Rates<Kind>;
  }
}

/** The line `NAME=NUMBER` of what a guest has printed. @throws {Error} when it isn't there */
export function numberIn(text: string, name: string): number {
  const match = new RegExp(`^${name}=(\\d+)$`, "m").exec(text);
  if (match === null) throw new Error(`the guest did not tell ${name}; it printed: ${text}`);
  return Number(match[1]);
}
