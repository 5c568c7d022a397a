import assert from "node:assert/strict";
import fc from "fast-check";
import { Incoming, Outgoing, WINDOW } from "./credit.ts";
import { ProtocolError } from "./frames.ts";

const tick = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("every byte arrives in order, however large the pieces and however slow the receiver", async () => {
  const pieces = fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(pieces, async (sizes) => {
      let sum = 0;
      let expected = 0;
      let most = 0;
      let sent = 0;
      let next = 0;
      const ended = Promise.withResolvers<void>();
      const incoming = new Incoming(
        async (bytes) => {
          await tick();
          for (const byte of bytes) assert.equal(byte, next++ & 0xff);
          sum += bytes.length;
        },
        (bytes) => {
          sent -= bytes;
          outgoing.give(bytes);
        },
        () => ended.resolve(),
      );
      const outgoing: Outgoing = new Outgoing((bytes) => {
        sent += bytes.length;
        most = Math.max(most, sent);
        incoming.push(bytes.slice());
        return Promise.resolve();
      });
      for (const size of sizes) {
        const start = expected;
        await outgoing.send(new Uint8Array(size).map((_, i) => start + i));
        expected += size;
      }
      incoming.end();
      await ended.promise;
      assert.equal(sum, expected);
      assert(most <= WINDOW, `${most} bytes were on their way`);
    }),
    { numRuns: 20 },
  );
});

Deno.test("a sender waits for a receiver that takes nothing, and the receiver keeps no more", async () => {
  let sent = 0;
  const outgoing = new Outgoing((bytes) => {
    sent += bytes.length;
    return Promise.resolve();
  });
  let isSent = false;
  const sending = outgoing.send(new Uint8Array(WINDOW + 10)).then(() => (isSent = true));
  await tick();
  assert.deepEqual([sent, isSent], [WINDOW, false]);
  outgoing.give(10);
  await sending;
  assert.equal(sent, WINDOW + 10);
});

Deno.test("a peer that does not keep to the credit is refused", () => {
  const never = new Promise<void>(() => {});
  const incoming = new Incoming(() => never, () => {});
  incoming.push(new Uint8Array(WINDOW));
  assert.throws(() => incoming.push(new Uint8Array(1)), ProtocolError);
  const ended = new Incoming(() => never, () => {});
  ended.end();
  assert.throws(() => ended.push(new Uint8Array(1)), /behind the end/);
  assert.throws(() => new Outgoing(() => never).give(1), /not sent/);
});

Deno.test("what a receiver that has closed does not take is thrown away, and credit is given for it", async () => {
  let credit = 0;
  const ended = Promise.withResolvers<void>();
  const incoming = new Incoming(
    () => Promise.reject(new Error("closed")),
    (bytes) => (credit += bytes),
    () => ended.resolve(),
  );
  for (let i = 0; i < 10; i++) {
    incoming.push(new Uint8Array(WINDOW / 2));
    await tick();
  }
  incoming.end();
  await ended.promise;
  assert.equal(credit, 5 * WINDOW);
});
