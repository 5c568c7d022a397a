import assert from "node:assert/strict";
import { UsageError } from "../errors.ts";
import { CASES } from "./cases.ts";
import { select } from "./select.ts";
import { fakeCase } from "./testing.ts";

const cases = ["file", "virtio-block-pci", "virtio-block-mmio", "virtio-net", "pit"].map((name) =>
  fakeCase(name)
);

function names(wanted: readonly string[], filter = ""): string[] {
  return select(cases, wanted, filter).map(({ name }) => name);
}

Deno.test("all cases are picked where nothing is said", () => {
  assert.deepEqual(names([]), cases.map(({ name }) => name));
});

Deno.test("cases are picked by name or by the beginning of names, in their own order", () => {
  assert.deepEqual(names(["pit", "file"]), ["file", "pit"]);
  assert.deepEqual(names(["virtio-block"]), ["virtio-block-pci", "virtio-block-mmio"]);
  assert.deepEqual(names(["virtio", "virtio-net"]).length, 3);
});

Deno.test("a name that no case has is refused, and so is half a word of one", () => {
  for (const name of ["pot", "virtio-bl", "virtio-", ""]) {
    assert.throws(() => names(["file", name]), (error) => {
      return error instanceof UsageError && error.message.includes(`no case ${name};`);
    });
  }
});

Deno.test("a filter picks what has all its words in name or title, in any case", () => {
  assert.deepEqual(names([], "what BLOCK"), ["virtio-block-pci", "virtio-block-mmio"]);
  assert.deepEqual(names(["virtio"], "net"), ["virtio-net"]);
  assert.throws(() => names(["virtio"], "pit"), UsageError);
});

Deno.test("no two cases have the same name, and every name can be typed", () => {
  const all = CASES.map(({ name }) => name);
  assert.equal(new Set(all).size, all.length);
  for (const name of all) assert.match(name, /^[a-z0-9]+(-[a-z0-9]+)*$/);
});
