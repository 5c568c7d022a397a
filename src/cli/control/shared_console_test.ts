import assert from "node:assert/strict";
import { CLIENT_LIMIT, ConsoleHub } from "./shared_console.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function hub(): ConsoleHub {
  return new ConsoleHub(() => Promise.resolve(), () => {});
}

/** All that a client sees, to the end. */
async function all(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of chunks) text += decoder.decode(chunk, { stream: true });
  return text;
}

const live = () => new AbortController().signal;

Deno.test("every client sees what is printed, and who comes later the last lines first", async () => {
  const console = hub();
  const first = all(console.follow(live()));
  // A generator begins when it is first asked.
  await Promise.resolve();
  console.print(encode("one\ntw"));
  const second = all(console.follow(live()));
  await Promise.resolve();
  console.print(encode("o\n> "));
  console.end();
  assert.deepEqual(await Promise.all([first, second]), ["one\ntwo\n> ", "one\ntwo\n> "]);
  assert.equal(await all(console.follow(live())), "one\ntwo\n> ", "after the end, too");
});

Deno.test("what is replayed is whole lines, at most fifty and the last", async () => {
  const console = hub();
  for (let i = 0; i < 200; i++) console.print(encode(`line ${i}\r\n`));
  console.print(encode("$ "));
  console.end();
  const lines = (await all(console.follow(live()))).split("\r\n");
  assert.deepEqual([lines[0], lines.at(-2), lines.at(-1)], ["line 150", "line 199", "$ "]);
  assert.equal(lines.length, 51);
});

Deno.test("lines that are very long are replayed in part, from the beginning of a line", async () => {
  const console = hub();
  for (let i = 0; i < 10; i++) console.print(encode(`${`${i}`.repeat(5000)}\n`));
  console.end();
  const text = await all(console.follow(live()));
  assert.match(text, /^7{5000}\n8{5000}\n9{5000}\n$/);
});

Deno.test("a question to the terminal is not asked again, and colours stay", async () => {
  const console = hub();
  console.print(encode("\x1b[6n\x1b[1;31mred\x1b[0m\x1b[c\x1b[>0c\x1b[?25h é\n"));
  console.end();
  assert.equal(await all(console.follow(live())), "\x1b[1;31mred\x1b[0m\x1b[?25h é\n");
});

Deno.test("a client that does not read loses what it was sent, is told so, and holds nobody up", async () => {
  const console = hub();
  const slow = console.follow(live());
  const started = slow.next();
  const fast = all(console.follow(live()));
  await Promise.resolve();
  console.print(encode("begin\n"));
  assert.equal(new TextDecoder().decode((await started).value ?? new Uint8Array(0)), "begin\n");
  const block = encode("x".repeat((CLIENT_LIMIT >> 2) - 1) + "\n");
  for (let i = 0; i < 8; i++) {
    console.print(block);
    // The fast one reads.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  console.print(encode("end\n"));
  console.end();
  const text = await all(slow);
  const lost = Number(/^\r\n\[denovisor: (\d+) bytes are left out\]\r\n/.exec(text)?.[1]);
  assert(lost > 0 && text.endsWith("x\nend\n"), text.slice(0, 80));
  const shown = text.slice(text.indexOf("]\r\n") + 3).length;
  assert.equal(lost + shown, 8 * block.length + 4);
  assert.equal((await fast).length, 6 + 8 * block.length + 4);
});

Deno.test("a client that goes away ends its own part only", async () => {
  const console = hub();
  const gone = new AbortController();
  const [first, second] = [all(console.follow(gone.signal)), all(console.follow(live()))];
  await Promise.resolve();
  console.print(encode("a"));
  gone.abort();
  assert.equal(await first, "a");
  console.print(encode("b"));
  console.end();
  assert.equal(await second, "ab");
});
