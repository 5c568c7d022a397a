/**
 * @module
 */
import assert from "node:assert/strict";
import { runText } from "../../src/rootfs/command.ts";
import { assemble, canAssemble } from "./assemble.ts";

/** Why the tests are ignored where they are. */
const needs = canAssemble ? "" : " (needs binutils)";
const ignore = !canAssemble;
const text = new TextDecoder();

Deno.test(
  { name: `a flat payload begins with its code, at the address it is linked to${needs}`, ignore },
  async () => {
    const { path, symbols } = await assemble("real_mode", { format: "flat", address: 0x7c00 });
    const bytes = await Deno.readFile(path);
    assert.equal(symbols.start, 0x7c00);
    assert.deepEqual([...bytes.subarray(0, 3)], [0x0f, 0x01, 0xe0], "smsw ax");
    assert.match(text.decode(bytes), /real mode\n/);
  },
);

Deno.test({
  name:
    `an ELF payload has one loadable segment at its address, and its note where it has one${needs}`,
  ignore,
}, async () => {
  const { path, symbols } = await assemble("pvh", { address: 0x20_0000 });
  assert.equal(symbols.start, 0x20_0000);
  const headers = await runText(["readelf", "-hlnW", path]);
  assert.match(headers, /Class: +ELF64/);
  assert.match(headers, /Entry point address: +0x200000/);
  assert.equal(headers.match(/^ +LOAD .* 0x0*200000 0x0*200000 /gm)?.length, 1);
  assert.match(headers, /^ +Xen +0x00000004\s.*0x00000012/m);
  const small = await assemble("smp", { format: "elf32", defines: { CPUS: 2 } });
  assert.match(await runText(["readelf", "-h", small.path]), /Class: +ELF32/);
});

Deno.test(
  { name: `a payload is built once for each set of definitions${needs}`, ignore },
  async () => {
    const two = await assemble("smp", { format: "elf32", defines: { CPUS: 2 } });
    const again = await assemble("smp", { format: "elf32", defines: { CPUS: 2 } });
    const four = await assemble("smp", { format: "elf32", defines: { CPUS: 4 } });
    assert.equal(again.path, two.path);
    assert.notEqual(four.path, two.path);
  },
);

Deno.test({
  name: `a payload that lacks a definition fails with the assembler's or linker's words${needs}`,
  ignore,
}, async () => {
  await assert.rejects(assemble("power"), /PORT/);
  await assert.rejects(assemble("no_such_payload"), /no_such_payload/);
});
