/**
 * Cases and guests that exist only in a test.
 * @module
 */
import { FakeLife } from "../testing.ts";
import type { CaseContext, SelfTestCase } from "./case.ts";
import type { GuestMachine } from "./guest.ts";

/** A case that does what the test says. */
export function fakeCase(
  name: string,
  run: (context: CaseContext) => Promise<void> = () => Promise.resolve(),
  rest: Partial<Omit<SelfTestCase, "name" | "run">> = {},
): SelfTestCase {
  return { name, area: "program", title: `what ${name} is for`, needs: [], run, ...rest };
}

/** A machine whose guest is the test. */
export class FakeGuest extends FakeLife implements GuestMachine {
  /** What the guest counts in memory each time that it is looked at. */
  count = 0n;
  metrics: Record<string, number> = {};
  readonly #lines: string[] = [];

  readonly console = {
    output: this.output,
    write: (bytes: Uint8Array) => {
      this.typed += new TextDecoder().decode(bytes);
      return Promise.resolve();
    },
    lastLines: this.#lines,
  };
  readonly memory = { readU64: () => this.paused ? this.count : ++this.count };
  readonly devices = new Map([["disk0", { metrics: this.metrics }]]);

  override print(text: string): this {
    this.#lines.push(...text.trimEnd().split("\n"));
    return super.print(text);
  }
}
