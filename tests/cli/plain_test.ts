/**
 * Usual command lines are understood as commander understands them, or not at all.
 * @module
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { kebab } from "../../src/cli/names.ts";
import { parsePlain } from "../../src/cli/plain.ts";
import { parse } from "../../src/cli/program.ts";
import { runOperands, runOptions } from "../../src/cli/run/options.ts";
import { verbs } from "../../src/cli/verbs.ts";
import { FakeSystem } from "./fakes.ts";

/** What commander makes of the words, without the options that ask for devices; undefined where it refuses them. */
function byCommander(words: readonly string[]) {
  const call = parse(["run", ...words], verbs, new FakeSystem(false));
  if (typeof call === "number") return undefined;
  const options = Object.entries(call.options).filter(([name]) => name in runOptions);
  return { operands: [...call.operands], options: Object.fromEntries(options) };
}

const plainly = (...words: string[]) => parsePlain(words, runOperands, runOptions);

const names = Object.keys(runOptions).map((name) => `--${kebab(name)}`);
const values = [
  ...["vmlinuz", "512M", "1", "2", "0x1000", "none", "serial", "file:log", "a,b", "pvh", "2M"],
  ...[
    "30s",
    "exit",
    "restart",
    "picture.svg",
    "web-1",
    "",
    "-",
    "--",
    "-x",
    "--disk",
    "32",
    "mmio",
  ],
];
const word = fc.oneof(
  fc.constantFrom(...names, ...values),
  fc.tuple(fc.constantFrom(...names), fc.constantFrom(...values)).map((pair) => pair.join("=")),
  fc.string({ maxLength: 8 }),
);

Deno.test("what is understood plainly is what commander understands", () => {
  let understood = 0;
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      const plain = plainly(...words);
      if (plain === undefined) return;
      understood++;
      assert.deepEqual(plain, byCommander(words));
    }),
    { numRuns: 3000 },
  );
  assert(understood > 100, `only ${understood} were understood`);
});

Deno.test("the usual command lines are understood plainly", () => {
  const usual = [
    "vmlinuz",
    "vmlinuz --initrd initrd.img",
    "vmlinuz --cpus 2 --memory=1G --console none --timeout 10s --json",
    "--protocol pvh --huge-pages 2M kernel",
    "kernel --module a,b --module c --on-reboot restart --timeline",
    "kernel --timeline t.svg --json-file j",
    "",
  ].map((line) => line.split(" ").filter(Boolean));
  for (const words of usual) {
    const plain = plainly(...words);
    assert(plain !== undefined, words.join(" "));
    assert.deepEqual(plain, byCommander(words));
  }
});

Deno.test("of anything unusual commander decides", () => {
  const unusual = [
    "--help",
    "-h",
    "kernel --disk d.img",
    "kernel --json=yes",
    "kernel --memory",
    "kernel --cmdline -x",
    "kernel --cpus none",
    "kernel --protocol elf",
    "kernel another",
    "-- kernel",
    "kernel --memor 1G",
  ];
  for (const line of unusual) assert.equal(plainly(...line.split(" ")), undefined, line);
  assert.equal(plainly("kernel", "--initrd", ""), undefined);
});
