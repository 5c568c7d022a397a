import assert from "node:assert/strict";
import { defineOptions, OptionsError } from "../options.ts";
import { readDevice } from "../read_options.ts";
import { changeLimits, limitFields, rateLimits, showLimits } from "./options.ts";

const TABLE = defineOptions({
  flag: "net",
  field: "nets",
  multiplicity: "many",
  summary: "a network device",
  fields: { ...limitFields("rx-"), ...limitFields("tx-") },
});

Deno.test("each direction has limits of its own, and none where nothing is said", () => {
  const { values } = readDevice(TABLE, "rx-bandwidth=1M/s,rx-bandwidth-burst=4M,tx-iops=100");
  assert.deepEqual(rateLimits(values, "rx-"), {
    bytes: { rate: 2 ** 20, burst: 2 ** 22 },
    operations: undefined,
  });
  assert.deepEqual(rateLimits(values, "tx-"), {
    bytes: undefined,
    operations: { rate: 100, burst: undefined },
  });
});

Deno.test("a burst without its limit is refused", () => {
  assert.throws(() => rateLimits({ "iops-burst": 5 }), /iops-burst: it needs a limit/);
});

Deno.test("a wish changes what it names, and null takes a limit and its burst away", () => {
  const before = { bandwidth: 1000, "bandwidth-burst": 50, iops: 10 };
  const after = changeLimits(before, { bandwidth: null, iops: "20/s" });
  assert.deepEqual(after, {
    bandwidth: undefined,
    "bandwidth-burst": undefined,
    iops: 20,
    "iops-burst": undefined,
  });
  assert.deepEqual(showLimits(after), {
    bandwidth: null,
    "bandwidth-burst": null,
    iops: 20,
    "iops-burst": null,
  });
});

Deno.test("a wish that can't be granted is refused as a whole, with everything that's wrong", () => {
  assert.throws(() => changeLimits({}, { bandwith: 1, iops: "many" }), (error: unknown) => {
    assert(error instanceof OptionsError);
    assert.match(error.problems[0], /^bandwith: there is no such limit; there are bandwidth, /);
    assert.match(error.problems[1], /^iops: it is an amount for each second.*"many"/);
    return true;
  });
  for (const wish of [null, 7, "fast", [1]]) {
    assert.throws(() => changeLimits({}, wish), OptionsError);
  }
});

Deno.test("operations are called packets where they are that", () => {
  const table = defineOptions({
    flag: "vsock",
    field: "vsock",
    multiplicity: "one",
    summary: "a socket device",
    fields: limitFields("tx-", "packets"),
  });
  const { values } = readDevice(table, "tx-packets=100/s,tx-packets-burst=7");
  const expected = { bytes: undefined, operations: { rate: 100, burst: 7 } };
  assert.deepEqual(rateLimits(values, "tx-", "packets"), expected);
  const changed = changeLimits(values, { "tx-packets": 50 }, ["tx-"], "packets");
  assert.deepEqual([changed["tx-packets"], changed["tx-packets-burst"]], [50, 7]);
  assert.throws(() => changeLimits(values, { "tx-iops": 50 }, ["tx-"], "packets"), OptionsError);
  assert.throws(() => readDevice(table, "tx-iops=100/s"), OptionsError);
});
