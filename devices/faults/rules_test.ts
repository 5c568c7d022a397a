import assert from "node:assert/strict";
import fc from "fast-check";
import { defineOptions, oneOf, optional, OptionsError } from "../options.ts";
import { readDevice } from "../read_options.ts";
import {
  chance,
  defineFaults,
  faultsField,
  milliseconds,
  readFaults,
  timingFields,
} from "./rules.ts";

const TABLE = defineFaults({
  fields: {
    action: oneOf("what happens", ["burn", "melt"]),
    rate: optional(chance("how often")),
    ms: optional(milliseconds("how long")),
    ...timingFields("things"),
  },
  check({ action, ms }) {
    if (action === "melt" && ms === undefined) throw new TypeError("ms: melting needs it");
  },
});

const DEVICE = defineOptions({
  flag: "oven",
  field: "ovens",
  multiplicity: "many",
  summary: "an oven",
  fields: { faults: faultsField(TABLE) },
});

Deno.test("rules are read as they are written, and nothing is added to them", () => {
  const rules = [{ action: "burn" }, { action: "melt", ms: 1.5, rate: 0, after: 3, seed: 0 }];
  assert.deepEqual(readFaults(TABLE, rules), rules);
  assert.deepEqual(readFaults(TABLE, JSON.stringify(rules)), rules);
  assert.deepEqual(readFaults(TABLE, []), []);
  assert.deepEqual(readDevice(DEVICE, { faults: rules }).values, { faults: rules });
  assert.deepEqual(readDevice(DEVICE, {}).values, { faults: undefined });
  const text = JSON.stringify(rules).replaceAll(",", ",,");
  assert.deepEqual(readDevice(DEVICE, `faults=${text}`).values, { faults: rules });
});

Deno.test("every problem is told, with its rule, its property, what it got and what it may be", () => {
  const rules = [{ action: "freeze", rat: 1 }, { action: "melt" }, null, { ms: -1, count: 0.5 }];
  assert.throws(() => readFaults(TABLE, rules), (error: unknown) => {
    assert(error instanceof OptionsError);
    assert.deepEqual(error.problems, [
      "rule 1: rat: there is no such property; did you mean rate?",
      'rule 1: action: it is one of burn, melt (got "freeze")',
      "rule 2: ms: melting needs it",
      "rule 3: it is an object with any of action, rate, ms, after, count, seed",
      "rule 4: action: it is required",
      "rule 4: ms: it is a number of milliseconds from 0 to 3600000 (got -1)",
      "rule 4: count: it is a whole number from 1 to 9007199254740991 (got 0.5)",
    ]);
    return true;
  });
  assert.throws(
    () => readDevice(DEVICE, { faults: [{ action: "melt" }] }),
    /^OptionsError: faults: rule 1: ms: melting needs it/,
  );
});

Deno.test("whatever is written instead of rules is refused as an error of its writer's", () => {
  fc.assert(fc.property(fc.anything(), (given) => {
    try {
      readFaults(TABLE, given);
    } catch (error) {
      assert(error instanceof OptionsError, String(error));
    }
  }));
});
