import assert from "node:assert/strict";
import fc from "fast-check";
import { checkCommandLine, CommandLine, splitCommandLine } from "./cmdline.ts";
import { CommandLineError } from "./errors.ts";

/** The error that `action` throws. */
function errorOf(action: () => void): CommandLineError {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof CommandLineError, String(error));
    return error;
  }
  return assert.fail("no error");
}

Deno.test("inserted parameters go first, appended ones last, and what is there stays as it is", () => {
  const line = new CommandLine("root=/dev/vda ro").append("quiet").insert("console", "ttyS0");
  assert.equal(line.toString(), "console=ttyS0 root=/dev/vda ro quiet");
});

Deno.test("what is appended for the kernel goes before --, init's arguments behind it", () => {
  const line = new CommandLine("quiet -- single").append("panic", "-1").appendInit("a b");
  assert.equal(line.toString(), 'quiet panic=-1 -- single "a b"');
  assert.equal(new CommandLine().appendInit("--login").toString(), "-- --login");
});

Deno.test("a -- in quotes ends the kernel's parameters too, as the kernel drops the quotes first", () => {
  const line = new CommandLine('quiet "--" single').append("ro");
  assert.equal(line.toString(), "quiet ro -- single");
  assert.equal(new CommandLine("--=x").append("ro").toString(), "--=x ro");
});

Deno.test("values with spaces are quoted, and read back without the quotes", () => {
  const line = new CommandLine().append("dyndbg", "file core.c +p").append("empty", "");
  assert.equal(line.toString(), 'dyndbg="file core.c +p" empty=""');
  assert.equal(line.get("dyndbg"), "file core.c +p");
  assert.equal(line.get("empty"), "");
});

Deno.test("parameters are found as the kernel finds them: the last one, - and _ alike, quotes or not", () => {
  const line = new CommandLine('console=tty0 console=ttyS0 log-buf_len=1M "a=b c" quiet x=a=b');
  assert.equal(line.get("console"), "ttyS0");
  assert.equal(line.get("log_buf_len"), "1M");
  assert.equal(line.get("a"), "b c");
  assert.equal(line.get("x"), "a=b");
  assert.equal(line.get("quiet"), undefined);
  assert.ok(line.has("quiet") && line.has("log-buf-len") && !line.has("b"));
  assert.ok(!new CommandLine("quiet -- debug").has("debug"));
});

Deno.test("words are split at white space outside of double quotes", () => {
  assert.deepEqual(splitCommandLine(' a  b="c d" "e f"=g h"i j"k '), [
    "a",
    'b="c d"',
    '"e f"=g',
    'h"i j"k',
  ]);
  assert.deepEqual(splitCommandLine("  "), []);
});

Deno.test("characters that end a line or a string, and those that are not ASCII, are refused by name", () => {
  for (
    const [text, name, at] of [
      ["a\nb", "U+000A", 1],
      ["\0", "U+0000", 0],
      ["tab\t", "U+0009", 3],
      ["x=à", "U+00E0", 2],
      ["x=😀", "U+1F600", 2],
      ["\x7f", "U+007F", 0],
    ] as const
  ) {
    const error = errorOf(() => new CommandLine(text));
    assert.equal(error.value, name);
    assert.match(error.message, new RegExp(`position ${at};`));
  }
  assert.throws(() => new CommandLine().append("a", "b\nc"), CommandLineError);
  assert.throws(() => new CommandLine().append("a\0"), CommandLineError);
});

Deno.test("an open quote is refused: the kernel would take the rest of the line for its value", () => {
  const error = errorOf(() => new CommandLine('a="b c'));
  assert.match(error.message, /odd number of double quotes/);
  assert.equal(error.field, "cmdline");
});

Deno.test("a line may have as many bytes as the limit and no more, and the error names both", () => {
  checkCommandLine("a".repeat(2047), 2047);
  const error = errorOf(() => checkCommandLine("a".repeat(2050), 2047, "vmlinuz"));
  assert.equal(
    error.message,
    "vmlinuz: the command line has 2050 bytes, but this kernel takes 2047 and cuts off the rest; " +
      "shorten it by 3",
  );
  assert.equal(error.value, 2050);
  checkCommandLine("", 0);
  assert.throws(() => checkCommandLine("a", 0), CommandLineError);
});

Deno.test("names that would be read as something else, and quotes in values, are refused", () => {
  for (const name of ["", "--", "a b", "a=b", '"a"']) {
    assert.equal(errorOf(() => new CommandLine().append(name, "x")).field, "name");
  }
  assert.match(errorOf(() => new CommandLine().append("a", '"')).message, /no way to escape/);
  assert.throws(() => new CommandLine().appendInit('say "hi"'), CommandLineError);
});

Deno.test("any parameters that can be said are read back as they were said", () => {
  const char = fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code));
  const value = fc.string({ unit: char.filter((c) => c !== '"') });
  const name = fc.string({ unit: char.filter((c) => !' "='.includes(c)), minLength: 1 })
    .filter((text) => text !== "--");
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), fc.array(value), (parameters, init) => {
      const line = new CommandLine();
      for (const [name, value] of parameters) line.append(name, value);
      for (const argument of init) line.appendInit(argument);
      const read = new CommandLine(line.toString());
      assert.deepEqual(read.parameters, parameters.map(([name, value]) => ({ name, value })));
      assert.equal(read.toString(), line.toString());
    }),
  );
});

Deno.test("any text gives a command line or a CommandLineError, and splits into words without spaces around", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.string(), (wild, tame) => {
      for (const text of [wild, tame]) {
        try {
          new CommandLine(text);
        } catch (error) {
          assert.ok(error instanceof CommandLineError);
        }
        for (const word of splitCommandLine(text)) assert.equal(word, word.trim());
      }
    }),
  );
});
