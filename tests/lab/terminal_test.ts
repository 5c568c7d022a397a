import assert from "node:assert/strict";
import { keyFilter } from "./terminal.ts";

/** Types chunks of text through the filter; gives what gets through and what was asked for. */
async function type(...chunks: string[]): Promise<{ typed: string; asked: string[] }> {
  const asked: string[] = [];
  const filter = keyFilter({ quit: () => asked.push("quit"), show: () => asked.push("help") });
  const input = ReadableStream.from(chunks.map((chunk) => new TextEncoder().encode(chunk)));
  const typed = await new Response(input.pipeThrough(filter)).text();
  return { typed, asked };
}

Deno.test("keys get through to the command, Ctrl-C too", async () => {
  assert.deepEqual(await type("ls\r", "\x03\x1b[A"), { typed: "ls\r\x03\x1b[A", asked: [] });
});

Deno.test("Ctrl-A x ends the lab and Ctrl-A h helps, also when typed one by one", async () => {
  assert.deepEqual(await type("a\x01xb"), { typed: "ab", asked: ["quit"] });
  assert.deepEqual(await type("\x01", "x"), { typed: "", asked: ["quit"] });
  assert.deepEqual(await type("\x01h", "\x01", "h"), { typed: "", asked: ["help", "help"] });
});

Deno.test("Ctrl-A twice types one, and before any other key it is typed with it", async () => {
  assert.deepEqual(await type("\x01\x01x"), { typed: "\x01x", asked: [] });
  assert.deepEqual(await type("\x01e"), { typed: "\x01e", asked: [] });
});
