import assert from "node:assert/strict";
import { isStaticExecutable } from "./elf.ts";
import { busyboxAsset } from "./busybox.ts";
import { areFetched } from "./testing.ts";

Deno.test("a program with an interpreter is not static, nor is what is no program", async () => {
  assert.equal(isStaticExecutable(await Deno.readFile("/bin/sh")), false);
  assert.equal(isStaticExecutable(await Deno.readFile(import.meta.filename!)), false);
  assert.equal(isStaticExecutable(new Uint8Array(64)), false);
});

Deno.test({
  name: "Debian's busybox-static is static",
  ignore: !areFetched("busybox"),
  fn: async () => assert.ok(isStaticExecutable(await Deno.readFile(await busyboxAsset()))),
});
