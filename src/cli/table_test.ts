import assert from "node:assert/strict";
import { formatMemory, formatUptime, table } from "./table.ts";

Deno.test("columns are as wide as what is in them, and lines end with their text", () => {
  assert.equal(table([["A", "BB", "C"], ["aaa", "b", ""]]), "A    BB  C\naaa  b\n");
  assert.equal(table([]), "");
});

Deno.test("quantities are told in the unit that fits", () => {
  assert.deepEqual(
    [0, 2 ** 26, 2 ** 30, 1.5 * 2 ** 30].map(formatMemory),
    ["0 MiB", "64 MiB", "1 GiB", "1.5 GiB"],
  );
  assert.deepEqual(
    [0, 999, 12_345, 60_000, 3 * 3_600_000 + 12 * 60_000, 25 * 3_600_000].map(formatUptime),
    ["0s", "0s", "12s", "1m 0s", "3h 12m", "1d 1h"],
  );
});
