import assert from "node:assert/strict";
import { UsageError } from "./errors.ts";
import {
  formatDuration,
  parseAddress,
  parseConsole,
  parseCount,
  parseDuration,
  parseModule,
} from "./values.ts";

Deno.test("times are numbers with units, and seconds without", () => {
  for (
    const [text, milliseconds] of [
      ["500ms", 500],
      ["30s", 30_000],
      ["30", 30_000],
      ["1.5m", 90_000],
      ["2h", 7_200_000],
      ["24d", 2_073_600_000],
      [" 1s ", 1000],
    ] as const
  ) assert.equal(parseDuration(text), milliseconds, text);
});

Deno.test("a time that can't be meant, or can't be waited for, is refused", () => {
  for (
    const text of [
      "",
      "s",
      "-1s",
      "1 s",
      "1x",
      "1e3",
      "0",
      "0.1ms",
      "25d",
      "999999999999h",
      "1m30s",
    ]
  ) {
    assert.throws(() => parseDuration(text), UsageError, text);
  }
});

Deno.test("times are told in a unit that fits", () => {
  assert.deepEqual([formatDuration(849.6), formatDuration(2449)], ["850 ms", "2.4 s"]);
});

Deno.test("a console is a word or a file, and a mistyped word is not a file", () => {
  assert.deepEqual(parseConsole("virtio"), { device: "virtio" });
  assert.deepEqual(parseConsole("serial,none"), { device: "serial", target: { kind: "none" } });
  assert.deepEqual(parseConsole("virtio,file:a,b"), {
    device: "virtio",
    target: { kind: "file", path: "a,b" },
  });
  assert.deepEqual(parseConsole("stdio"), { target: { kind: "stdio" } });
  assert.deepEqual(parseConsole("none"), { target: { kind: "none" } });
  assert.deepEqual(parseConsole("file:log"), { target: { kind: "file", path: "log" } });
  assert.deepEqual(parseConsole("./log"), { target: { kind: "file", path: "./log" } });
  assert.deepEqual(parseConsole("boot.log"), { target: { kind: "file", path: "boot.log" } });
  for (const text of ["stdoi", "file", "file:", ""]) {
    assert.throws(() => parseConsole(text), UsageError, text);
  }
});

Deno.test("a module is a path with an optional command line", () => {
  assert.deepEqual(parseModule("a"), { path: "a", cmdline: "" });
  assert.deepEqual(parseModule("a,b=1,c d"), { path: "a", cmdline: "b=1,c d" });
  assert.throws(() => parseModule(",x"), UsageError);
});

Deno.test("a count is a whole number of at least one", () => {
  assert.equal(parseCount("16"), 16);
  for (const text of ["", "0", "-1", "1.5", "two", "0x2", "9".repeat(20)]) {
    assert.throws(() => parseCount(text), UsageError, text);
  }
});

Deno.test("an address is hexadecimal with 0x, or decimal", () => {
  assert.deepEqual([parseAddress("0x7C00"), parseAddress("31744")], [0x7c00, 0x7c00]);
  for (const text of ["", "7c00", "-1", "0x", "1M", "0x10000000000000000"]) {
    assert.throws(() => parseAddress(text), UsageError, text);
  }
});
