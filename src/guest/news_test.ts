import assert from "node:assert/strict";
import { News } from "./news.ts";

Deno.test("all who wait are woken once, and whoever waits again is woken the next time", async () => {
  const news = new News();
  const woken = [0, 0];
  let isOver = false;
  const waiters = woken.map(async (_, i) => {
    while (!isOver) {
      await news.next;
      woken[i]++;
    }
  });
  news.tell();
  await Promise.resolve();
  await Promise.resolve();
  assert.deepEqual(woken, [1, 1]);
  isOver = true;
  news.tell();
  await Promise.all(waiters);
  assert.deepEqual(woken, [2, 2]);
});

Deno.test("what was told before is not waited for, and is not heard of again", async () => {
  const news = new News();
  const first = news.next;
  news.tell();
  await first;
  let heard = false;
  const next = news.next.then(() => heard = true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert(!heard);
  news.tell();
  await next;
});
