import assert from "node:assert/strict";
import { SUBJECTS } from "./mod.ts";

Deno.test("every subject has a name of its own to be typed, and says what it measures and for how long", () => {
  const names = SUBJECTS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, title, about, extent } of SUBJECTS) {
    assert.match(name, /^[a-z][a-z0-9-]*$/);
    assert.ok(title.length > 3 && title.length < 60, name);
    assert.match(about, /^[A-Z0-9].*\.$/, name);
    assert.ok(extent.seconds > 0 && Number.isInteger(extent.rounds) && extent.rounds > 0, name);
  }
});

Deno.test("titles make different anchors in the report", () => {
  const titles = SUBJECTS.map(({ title }) => title.toLowerCase());
  assert.equal(new Set(titles).size, titles.length);
});
