import assert from "node:assert/strict";
import fc from "fast-check";
import { KEPT_LINES, LINE_LIMIT, PanicScanner, printable } from "./panic.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function scan(...pieces: (string | Uint8Array)[]): PanicScanner {
  const scanner = new PanicScanner();
  for (const piece of pieces) scanner.push(typeof piece === "string" ? encode(piece) : piece);
  return scanner;
}

const MESSAGE = "Attempted to kill init! exitcode=0x00000100";

Deno.test("a kernel's panic line is found behind each prefix that printk may give it", () => {
  for (
    const prefix of [
      "",
      "<0>",
      "[    1.234567] ",
      "<0>[    1.234567] ",
      "[   12.000001][    T1] ",
      "[12345.678901] [   C13] ",
      "[    T1] ",
      "/ # [    1.234567] ",
    ]
  ) {
    const text = `${prefix}Kernel panic - not syncing: ${MESSAGE}`;
    assert.equal(scan(`a\r\n${text}\r\nCPU: 0\r\n`).panic, MESSAGE, text);
  }
});

Deno.test("text that only mentions a panic is none", () => {
  for (
    const text of [
      "[    1.2] ---[ end Kernel panic - not syncing: x ]---",
      "[    1.234567] ---[ end Kernel panic - not syncing: x ]---",
      "grep 'Kernel panic - not syncing: x' log",
      "Kernel panic: x",
      "[    1.234567] kernel panic - not syncing: x",
      "[    1.234567] Kernel panic - not syncingx",
    ]
  ) assert.equal(scan(text + "\n").panic, undefined, text);
});

Deno.test("the first of several panics counts, and one counts only when its line has ended", () => {
  const scanner = scan("Kernel panic - not syncing: one");
  assert.equal(scanner.panic, undefined);
  scanner.push(encode("\nKernel panic - not syncing: two\n"));
  assert.equal(scanner.panic, "one");
});

Deno.test("a panic and the lines are found however the output is split", () => {
  const output = encode(
    `Linux\r\nünïcode\r\n[    0.5] x\r\n[    1.234567] Kernel panic - not syncing: ${MESSAGE}\r\n` +
      "CPU: 0 PID: 1\r\nunfinished",
  );
  const whole = scan(output).lastLines;
  assert.deepEqual(whole.slice(-2), ["CPU: 0 PID: 1", "unfinished"]);
  assert.equal(whole[1], "ünïcode");
  fc.assert(fc.property(fc.array(fc.nat(output.length)), (cuts) => {
    const at = [0, ...cuts, output.length].sort((a, b) => a - b);
    const scanner = scan(...at.slice(1).map((end, i) => output.subarray(at[i], end)));
    assert.equal(scanner.panic, MESSAGE);
    assert.deepEqual(scanner.lastLines, whole);
  }));
});

Deno.test("the last lines are kept, and no more than that", () => {
  const lines = Array.from({ length: 3 * KEPT_LINES }, (_, i) => `line ${i}`);
  assert.deepEqual(scan(lines.join("\n") + "\n").lastLines, lines.slice(-KEPT_LINES));
  assert.deepEqual(scan(lines.join("\n")).lastLines, lines.slice(-KEPT_LINES));
});

Deno.test("a line without end takes bounded memory", () => {
  const scanner = new PanicScanner();
  const chunk = new Uint8Array(1 << 16).fill(0x41);
  for (let i = 0; i < 64; i++) scanner.push(chunk);
  const kept = scanner.lastLines;
  assert(kept.length <= KEPT_LINES);
  assert(kept.every((line) => line.length <= LINE_LIMIT));
  scanner.push(encode("\nKernel panic - not syncing: still seen\n"));
  assert.equal(scanner.panic, "still seen");
});

Deno.test("reports carry no escape sequences and no control characters of the guest", () => {
  assert.equal(
    printable("\x1b[31;1mred\x1b[0m \x1b]0;title\x07a\tb\r\x08\x7f\x9bc\x1b(Bd"),
    "red a\tbcd",
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 4096 }), (bytes) => {
    // Whatever comes, only tabs are left of the control characters.
    for (const line of scan(bytes).lastLines) {
      assert.doesNotMatch(line, /(?!\t)\p{Cc}/u);
    }
  }));
});

Deno.test("a panic's message is printable and may be empty", () => {
  assert.equal(scan("Kernel panic - not syncing: \x1b[2Jgone\r\n").panic, "gone");
  assert.equal(scan("Kernel panic - not syncing\n").panic, "");
});
