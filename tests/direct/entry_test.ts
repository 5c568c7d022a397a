/**
 * The state in which each protocol enters a guest, and what the guest finds in memory.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { exits } from "../../src/cli/self_test/judges/ends.ts";
import { expectMap } from "../../src/cli/self_test/judges/entry.ts";
import {
  fields,
  hex32,
  judgePayload,
  ranges,
  runPayload,
  sum,
  testDirect,
} from "./payload_machine.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const MEMORY = "64M";
const CMDLINE = "one=1 two='2 3' ~";
const RAM = 1;

/** A file with bytes that no zeroed or shifted memory has, in a folder of its own. */
async function withFile(
  size: number,
  body: (path: string, bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-entry-" });
  try {
    const path = join(folder, "file");
    const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8) + 1) & 0xff);
    await Deno.writeFile(path, bytes);
    await body(path, bytes);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

testDirect("a flat image is entered in real mode, with CS:IP at its first byte", () => {
  return judgePayload(
    exits(16, "real mode\n"),
    "real_mode",
    { protocol: "flat", flat: { mode: 16, address: 0x7c00 } },
    { format: "flat", address: 0x7c00 },
  );
});

for (
  const [mode, name, defines] of [
    [32, "protected mode", { BITS32: 1 }],
    [64, "long mode", undefined],
  ] as const
) {
  testDirect(`a flat image is entered in ${name}, with no interrupts and all of memory`, () => {
    const config = { protocol: "flat", flat: { mode } } as const;
    return judgePayload(exits(mode, `${name}\n`), "flat_mode", config, { format: "flat", defines });
  });
}

for (
  const [name, status, format, defines] of [
    ["64-bit", 64, "elf64", {}],
    ["32-bit", 32, "elf32", { BITS32: 1 }],
  ] as const
) {
  testDirect(
    `Linux's ${name} entry finds its mode, segments, command line, initrd and memory map`,
    async () => {
      await withFile(100_001, async (initrd, bytes) => {
        const { end, console } = await runPayload(
          "linux",
          { memory: MEMORY, cmdline: CMDLINE, initrd },
          { format, defines },
        );
        assert.deepEqual(end, { kind: "exit", status }, console);
        const found = fields(console);
        assert.equal(found.cmdline, CMDLINE);
        assert.equal(found.size, hex32(bytes.length));
        assert.equal(found.sum, sum(bytes));
        expectMap(console, 64 * MIB);
      });
    },
  );
}

testDirect("Linux's memory map has the RAM above 4 GiB as a range of its own", async () => {
  const { console } = await runPayload("linux", { memory: "6G", cmdline: "" });
  expectMap(console, 6 * GIB);
  assert.equal(fields(console).initrd, hex32(0));
});

testDirect(
  "PVH enters 32-bit code with start info, the initrd as its module and the memory map",
  async () => {
    await withFile(5000, async (initrd, bytes) => {
      const { end, console } = await runPayload("pvh", {
        memory: MEMORY,
        cmdline: CMDLINE,
        initrd,
      });
      assert.deepEqual(end, { kind: "exit", status: 33 }, console);
      const found = fields(console);
      assert.equal(found.cmdline, CMDLINE);
      assert.equal(found.size, hex32(bytes.length));
      assert.equal(found.sum, sum(bytes));
      expectMap(console, 64 * MIB);
    });
  },
);

testDirect("PVH's start info has no modules when there is no initrd", async () => {
  const { end, console } = await runPayload("pvh", { memory: MEMORY, cmdline: "" });
  assert.deepEqual(end, { kind: "exit", status: 33 }, console);
  assert.equal(fields(console).module, undefined);
});

for (
  const [name, format, defines] of [
    ["an ELF file", "elf32", {}],
    ["a flat file with address fields", "flat", { ADDRESS_FIELDS: 1 }],
  ] as const
) {
  testDirect(
    `multiboot starts ${name}, with modules in order, their strings and the memory map`,
    async () => {
      await withFile(4097, async (path, bytes) => {
        const modules = [{ path, cmdline: "first module" }, { path, cmdline: "" }];
        const { end, console } = await runPayload(
          "multiboot",
          { memory: MEMORY, cmdline: "for the kernel", modules },
          { format, defines },
        );
        assert.deepEqual(end, { kind: "exit", status: 34 }, console);
        const found = fields(console);
        assert.match(found.cmdline, /for the kernel$/);
        const ram = ranges(console).filter(({ type }) => type === RAM);
        assert.deepEqual(ram.map(({ base }) => base), [0, MIB]);
        assert.equal(ram[1].size, 63 * MIB);
        assert.equal(found.lower, hex32(Math.floor(ram[0].size / 1024)), "mem_lower is in KiB");
        assert.equal(found.upper, hex32(ram[1].size / 1024), "and so is mem_upper");
        const names = [...console.matchAll(/^module=(.*)$/gm)].map((match) => match[1]);
        assert.equal(names.length, 2);
        assert.match(names[0], /first module$/);
        const sums = [...console.matchAll(/^sum=(.*)$/gm)].map((match) => match[1]);
        assert.deepEqual(sums, [sum(bytes), sum(bytes)]);
        const sizes = [...console.matchAll(/^size=(.*)$/gm)].map((match) => match[1]);
        assert.deepEqual(sizes, [hex32(4097), hex32(4097)]);
      });
    },
  );
}
