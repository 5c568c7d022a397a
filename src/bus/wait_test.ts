import assert from "node:assert/strict";
import { waitForChange } from "./wait.ts";

Deno.test("waiting for a word that has changed already resolves at once", async () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  words[0] = 1;
  await waitForChange(words, 0, 0);
});

Deno.test("a wait is ended by a notification of its word, and by no other", async () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  let over = false;
  const wait = waitForChange(words, 1, 0).then(() => over = true);
  Atomics.notify(words, 0);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(over, false);
  Atomics.notify(words, 1);
  await wait;
});

Deno.test("a wait with a time limit is over when that is up, or before, when it is notified", async () => {
  const words = new Int32Array(new SharedArrayBuffer(4));
  const began = performance.now();
  await waitForChange(words, 0, 0, 20);
  assert(performance.now() - began >= 19);
  const wait = waitForChange(words, 0, 0, 1e6);
  Atomics.notify(words, 0);
  await wait;
});

Deno.test("a process whose only work is such a wait lives until it is notified", async () => {
  // Notified from the same isolate, with nothing else that would keep the process alive.
  const program = `
    import { waitForChange } from ${JSON.stringify(new URL("./wait.ts", import.meta.url).href)};
    const words = new Int32Array(new SharedArrayBuffer(4));
    const wait = waitForChange(words, 0, 0);
    Atomics.notify(words, 0);
    await wait;
    console.log("woken");
  `;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", program],
    env: { DENO_NO_UPDATE_CHECK: "1" },
  }).output();
  assert.equal(new TextDecoder().decode(stdout), "woken\n");
  assert.equal(code, 0);
});
