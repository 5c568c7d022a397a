import assert from "node:assert/strict";
import { expect, expectEqual, expectMatch, Mismatch } from "./expect.ts";

Deno.test("what holds says nothing, and what does not says what it is and what it has to be", () => {
  expect(true, "no");
  expectEqual([1, { a: "b" }], [1, { a: "b" }], "the list");
  expectMatch("abc", /b/, "the text");
  assert.throws(() => expect(false, "no"), new Mismatch("no"));
  const wrong = new Mismatch("the list is [1] and has to be [2]");
  assert.throws(() => expectEqual([1], [2], "the list"), wrong);
  assert.throws(() => expectEqual(undefined, 0, "the number"), /is undefined and has to be 0/);
  assert.throws(() => expectMatch("abc", /d/, "the text"), /the text is "abc" and .* \/d\/$/);
});

Deno.test("of long text only its ends are shown, and how long it is", () => {
  const long = `a${"x".repeat(100_000)}z`;
  assert.throws(() => expectEqual(long, "", "it"), ({ message }: Error) => {
    return message.length < 600 && /^it is "ax+ \.\.\. x+z" \(100004 characters\)/.test(message);
  });
});
