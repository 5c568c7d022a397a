import assert from "node:assert/strict";
import { major, minor } from "./device_number.ts";

Deno.test("device numbers come apart as makedev(3) put them together", () => {
  assert.deepEqual([major(0x103), minor(0x103)], [1, 3]);
  assert.deepEqual([major(0x10072c), minor(0x10072c)], [7, 300]);
  assert.deepEqual([major(0xffffffff), minor(0xffffffff)], [0xfff, 0xfffff]);
});
