import assert from "node:assert/strict";
import fc from "fast-check";
import { type EscapeCommand, EscapeParser } from "./escape.ts";

function parse(...pieces: Uint8Array[]): { commands: EscapeCommand[]; sent: number[] } {
  const commands: EscapeCommand[] = [];
  const sent: number[] = [];
  const parser = new EscapeParser(
    (command) => commands.push(command),
    (bytes) => sent.push(...bytes),
  );
  for (const piece of pieces) parser.push(piece);
  return { commands, sent };
}

const keys = (text: string) => new TextEncoder().encode(text);

Deno.test("keys are the guest's, and those after Ctrl-A the monitor's", () => {
  assert.deepEqual(parse(keys("a\x01hb\x01xc\x03")), {
    commands: ["help", "exit"],
    sent: [...keys("abc\x03")],
  });
  assert.deepEqual(parse(keys("\x01s\x01?\x01X")).commands, ["status", "help", "unknown"]);
});

Deno.test("Ctrl-A twice is one for the guest, and nothing more", () => {
  assert.deepEqual(parse(keys("\x01\x01x")), { commands: [], sent: [1, ...keys("x")] });
  assert.deepEqual(parse(keys("\x01\x01\x01\x01\x01x")), { commands: ["exit"], sent: [1, 1] });
});

Deno.test("keys mean the same however they are split", () => {
  const typed = fc.array(fc.constantFrom(...keys("\x01xhs?qa\r")), { maxLength: 30 });
  fc.assert(fc.property(typed, fc.array(fc.nat(30)), (codes, cuts) => {
    const bytes = Uint8Array.from(codes);
    const at = [0, ...cuts.filter((cut) => cut < bytes.length), bytes.length].sort((a, b) => a - b);
    const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
    assert.deepEqual(parse(...pieces), parse(bytes));
  }));
});

Deno.test("without Ctrl-A every byte is sent as it is", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    const plain = bytes.filter((byte) => byte !== 1);
    assert.deepEqual(parse(plain), { commands: [], sent: [...plain] });
  }));
});
