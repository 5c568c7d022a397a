import assert from "node:assert/strict";
import fc from "fast-check";
import { GivenCredit, PeerCredit } from "./credit.ts";

Deno.test("a peer has its buffer's size to send, and gets back what was passed on once it is told", () => {
  const credit = new GivenCredit(1000);
  assert.equal(credit.take(1000), true);
  assert.equal(credit.take(1), false);
  assert.equal(credit.held, 1000);
  assert.equal(credit.forward(499), false);
  assert.equal(credit.take(1), false, "it was not told of the 499 yet");
  assert.equal(credit.forward(1), true, "half of it came back");
  assert.equal(credit.tell(), 500);
  assert.equal(credit.take(501), false);
  assert.equal(credit.take(500), true);
});

Deno.test("a buffer that grows lets more be sent, and the peer is told of what came back later", () => {
  const credit = new GivenCredit(1000);
  assert.equal(credit.take(1000), true);
  credit.grow(4000);
  assert.equal(credit.size, 4000);
  assert.equal(credit.take(3001), false);
  assert.equal(credit.take(3000), true);
  assert.equal(credit.forward(1999), false, "less than half of what it is now");
  assert.equal(credit.forward(1), true);
  credit.grow(500);
  assert.equal(credit.size, 4000, "what was given can't be taken back");
});

Deno.test("a peer that uses less than its credit is told when half of what it uses came back", () => {
  const credit = new GivenCredit(1000);
  assert.equal(credit.take(100), true);
  assert.equal(credit.forward(49, 100), false);
  assert.equal(credit.forward(1, 100), true);
  credit.tell();
  assert.equal(credit.take(500), true);
  assert.equal(credit.forward(499, 5000), false, "it can't use more than it has");
  assert.equal(credit.forward(1, 5000), true);
});

Deno.test("credit is right when the counters of 32 bits wrap around, on both sides", () => {
  const size = 0x4000_0000;
  const given = new GivenCredit(size);
  const peer = new PeerCredit();
  peer.update(size, 0);
  let total = 0;
  for (let i = 0; i < 9; i++) {
    assert.equal(peer.available, size);
    peer.spend(size);
    assert.equal(peer.available, 0);
    assert(given.take(size));
    total += size;
    given.forward(size);
    const forwarded = given.tell();
    assert.equal(forwarded, total % 2 ** 32);
    peer.update(size, forwarded);
  }
});

Deno.test("whatever a guest says of its buffer, it is never sent more than that", () => {
  const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(fc.property(fc.array(fc.record({ size: u32, forwarded: u32, spend: u32 })), (steps) => {
    const peer = new PeerCredit();
    for (const { size, forwarded, spend } of steps) {
      peer.update(size, forwarded);
      assert(peer.available >= 0 && peer.available <= size);
      peer.spend(Math.min(spend, peer.available));
    }
  }));
});

Deno.test("two sides that keep to their credit never find fault with each other", () => {
  const step = fc.record({
    send: fc.integer({ min: 0, max: 400 }),
    pass: fc.integer({ min: 0, max: 400 }),
    tell: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const given = new GivenCredit(300);
    const peer = new PeerCredit();
    peer.update(300, 0);
    for (const { send, pass, tell } of steps) {
      const bytes = Math.min(send, peer.available);
      peer.spend(bytes);
      assert(given.take(bytes));
      const due = given.forward(Math.min(pass, given.held));
      if (tell || due) peer.update(300, given.tell());
    }
    given.forward(given.held);
    peer.update(300, given.tell());
    assert.equal(peer.available, 300);
  }));
});
