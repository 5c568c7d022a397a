import assert from "node:assert/strict";
import { Broadcast } from "./broadcast.ts";

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  return await Array.fromAsync(items);
}

Deno.test("everybody receives everything, whenever they begin and however slow they are", async () => {
  const sender = new Broadcast<number>(100);
  const early = all(sender.receive());
  const slow = (async () => {
    const found = [];
    for await (const item of sender.receive()) {
      found.push(item);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return found;
  })();
  for (let item = 0; item < 10; item++) {
    sender.send(item);
    if (item % 3 === 0) await Promise.resolve();
  }
  sender.end();
  const expected = Array.from({ length: 10 }, (_, i) => i);
  assert.deepEqual(await early, expected);
  assert.deepEqual(await slow, expected);
  assert.deepEqual(await all(sender.receive()), expected);
  sender.send(99);
  assert.deepEqual(await all(sender.receive()), expected);
});

Deno.test("what is older than the limit is dropped, the newest never", async () => {
  const sender = new Broadcast<string>(10, ({ length }) => length);
  for (const item of ["aaaa", "bbbb", "cccc", "dddd"]) sender.send(item);
  const missing = sender.receive();
  assert.equal((await missing.next()).value, "cccc");
  sender.send("a very long item");
  sender.end();
  assert.deepEqual(await all(missing), ["a very long item"]);
  assert.deepEqual(await all(sender.receive()), ["a very long item"]);
});
