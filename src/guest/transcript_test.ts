import assert from "node:assert/strict";
import { Transcript } from "./transcript.ts";

/** A console that prints what a test wants. */
function consoleOf() {
  const { readable, writable } = new TransformStream<string, string>();
  const output = readable.pipeThrough(new TextEncoderStream());
  return { output, printer: writable.getWriter() };
}

Deno.test("text is waited for once, across chunks, and each wait goes on behind the last", async () => {
  const { output, printer } = consoleOf();
  const transcript = new Transcript(output);
  const first = transcript.wait(/@(\d+)\n/, 5, "the first mark");
  for (const text of ["ready\r\n@", "12", "3\r\nrest @4\r\n"]) await printer.write(text);
  const found = await first;
  assert.deepEqual([found[1], found.input.slice(0, found.index)], ["123", "ready\n"]);
  assert.equal((await transcript.wait(/@(\d+)\n/, 5, "the second mark"))[1], "4");
  await printer.write("@5\n");
  await transcript.wait(/@5/, 5, "the third mark");
  transcript.skip();
  await printer.write("@6\n");
  assert.equal((await transcript.wait(/@(\d+)\n/, 5, "the last mark"))[1], "6");
  await printer.close();
  await transcript.ended;
  assert.equal(transcript.text, "ready\n@123\nrest @4\n@5\n@6\n");
});

Deno.test("a wait ends with the output or its time, and says what was heard", async () => {
  const { output, printer } = consoleOf();
  const transcript = new Transcript(output, () => "the device's log");
  await printer.write("Kernel panic\n");
  await transcript.wait(/panic/, 5, "a panic");
  await assert.rejects(transcript.wait(/login/, 0.01, "a login prompt"), {
    message: "not within 0.01 s: a login prompt:\nKernel panic\n\nthe device's log",
  });
  const waiting = transcript.wait(/login/, 5, "a login prompt");
  await printer.close();
  await assert.rejects(waiting, /^Error: the machine has ended before a login prompt:\nKernel/);
});

Deno.test("an output that is cut off ends what waits, and says why to who waits for its end", async () => {
  const { output, printer } = consoleOf();
  const transcript = new Transcript(output);
  const waiting = transcript.wait(/login/, 5, "a login prompt");
  const [waited, ended] = [
    assert.rejects(waiting, /the machine has ended before a login prompt/),
    assert.rejects(transcript.ended, /cut off/),
  ];
  await printer.abort(new Error("cut off"));
  await waited;
  await ended;
});
