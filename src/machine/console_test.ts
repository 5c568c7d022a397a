import assert from "node:assert/strict";
import type { ConsolePort } from "../../devices/mod.ts";
import { MachineConsole } from "./console.ts";

const encoder = new TextEncoder();

/** A guest's console without a guest: prints what it's given, counts what was taken from it. */
class FakePort implements ConsolePort {
  readonly sent: Uint8Array[] = [];
  taken = 0;
  closed = false;
  readonly #lines: readonly string[];

  constructor(lines: readonly string[]) {
    this.#lines = lines;
  }

  send(bytes: Uint8Array): Promise<void> {
    this.sent.push(bytes);
    return Promise.resolve();
  }

  async *output(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    for (const line of this.#lines) {
      this.taken++;
      yield encoder.encode(line);
      await Promise.resolve();
    }
  }

  close(): void {
    this.closed = true;
  }
}

async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5));
}

Deno.test("what the guest prints comes out in order, to the last byte, and the stream ends", async () => {
  const port = new FakePort(["one\n", "two\n", "three"]);
  const console = new MachineConsole(port);
  const text = new Response(console.output).text();
  await console.finish();
  assert.equal(await text, "one\ntwo\nthree");
  assert(port.closed);
  assert(console.firstByte !== undefined);
});

Deno.test("a guest whose output nobody reads is held back", async () => {
  const port = new FakePort(Array.from({ length: 100 }, (_, i) => `${i}\n`));
  const console = new MachineConsole(port);
  await pause();
  assert(port.taken < 5, `${port.taken} chunks were taken`);
  await console.output.cancel();
  await pause();
  assert.equal(port.taken, 100, "a cancelled output is read on and dropped");
});

Deno.test("at the end everything is taken over, whether somebody reads or not, and the panic is seen", async () => {
  const lines = Array.from({ length: 50 }, (_, i) => `line ${i}\n`);
  const console = new MachineConsole(
    new FakePort([...lines, "[    1.234567] Kernel panic - not syncing: No init found.\n"]),
  );
  await console.finish();
  assert.equal(console.panic, "No init found.");
  assert.equal(console.lastLines.at(-2), "line 49");
  const text = await new Response(console.output).text();
  assert.equal(text.split("\n").length, 52);
});

Deno.test("a cancelled output is still watched for a panic", async () => {
  const console = new MachineConsole(new FakePort(["Kernel panic - not syncing: x\n"]));
  await console.output.cancel();
  await console.finish();
  assert.equal(console.panic, "x");
});

Deno.test("what is typed goes to the port", async () => {
  const port = new FakePort([]);
  const console = new MachineConsole(port);
  await console.write(encoder.encode("ls\r"));
  assert.deepEqual(port.sent, [encoder.encode("ls\r")]);
});

Deno.test("what two ports print comes out together, and the input goes to the first", async () => {
  const first = new FakePort(["a1 ", "a2 "]);
  const second = new FakePort(["b1 ", "b2 "]);
  const console = new MachineConsole(first, [second]);
  await console.write(encoder.encode("x"));
  const chunks: string[] = [];
  for await (const chunk of console.output) chunks.push(new TextDecoder().decode(chunk));
  assert.deepEqual(chunks.toSorted(), ["a1 ", "a2 ", "b1 ", "b2 "]);
  assert.equal(first.sent.length, 1);
  assert.equal(second.sent.length, 0);
  await console.finish();
  assert(first.closed && second.closed);
});
