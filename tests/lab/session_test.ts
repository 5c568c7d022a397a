import assert from "node:assert/strict";
import fc from "fast-check";
import { runText } from "../../src/rootfs/command.ts";
import { endMark, sessionScript, shellQuote } from "./session.ts";

Deno.test("a shell reads a quoted word as it was", async () => {
  const words = fc.string({ unit: "binary", maxLength: 30 })
    .filter((word) => !word.includes("\0") && word.isWellFormed());
  await fc.assert(
    fc.asyncProperty(fc.array(words, { maxLength: 5 }), async (list) => {
      const script = `for word in ${
        list.map(shellQuote).join(" ")
      }; do printf '%s\\0' "$word"; done`;
      const output = await runText(["sh", "-c", script]);
      assert.deepEqual(output.split("\0").slice(0, -1), list);
    }),
    { numRuns: 30, examples: [[["'", "$(id)", "a\nb", "\\", '"', "*", "~", "-n", ""]]] },
  );
});

Deno.test("a word with NUL in it is refused", () => {
  assert.throws(() => shellQuote("a\0b"), TypeError);
});

Deno.test("the session script is one that a shell can parse, whatever the command", async () => {
  for (const terminal of [undefined, { rows: 24, columns: 80 }]) {
    const script = sessionScript({
      argv: ["sh", "-c", "echo 'it''s'; cat <<END\nEND\n"],
      cwd: "/it's here",
      env: { PATH: "/usr/bin:/bin", ODD: "a 'b' $c\nd" },
      checkout: { path: "/it's here", live: terminal !== undefined },
      shares: ["/it's there", "/b"],
      deno: "/it's/deno",
      denoCache: { folder: "/it's a cache", hidden: ["a b", "it's"] },
      scratch: true,
      modules: { version: "6.1", folder: "/it's modules" },
      terminal,
      endMark: endMark(),
    });
    await runText(["sh", "-n", "-c", script]);
  }
});

Deno.test("end marks differ and have no characters that a shell minds", () => {
  assert.match(endMark(), /^[0-9a-f]{32}$/);
  assert.notEqual(endMark(), endMark());
});
