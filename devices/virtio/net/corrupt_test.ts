import assert from "node:assert/strict";
import fc from "fast-check";
import { FaultRandom } from "../../faults/mod.ts";
import { corrupt } from "./corrupt.ts";
import { HEADER_SIZE, PACKET_MIN } from "./packet.ts";
import { be16, join, pattern, sum16 } from "./testing/packets.ts";

/** What comes before a datagram: an Ethernet and an IPv4 header. */
const BEFORE = 14 + 20;

/** A datagram whose checksum is left to the other side: its field has the sum of the pseudo header. */
function partial(payload: Uint8Array, pseudo: number): Uint8Array<ArrayBuffer> {
  const header = Uint8Array.of(1, 0, 0, 0, 0, 0, BEFORE, 0, 6, 0, 0, 0);
  const udp = join(be16(1), be16(2), be16(8 + payload.length), be16(pseudo), payload);
  return join(header, new Uint8Array(BEFORE), udp);
}

Deno.test("one bit is wrong, and it is the checksum that was to be made that tells", () => {
  const cases = fc.tuple(fc.nat(1500), fc.integer({ min: 1, max: 0xffff }), fc.nat(1e6));
  fc.assert(fc.property(cases, ([length, pseudo, seed]) => {
    const packet = partial(pattern(length, seed), pseudo);
    const udp = packet.slice(HEADER_SIZE + BEFORE);
    assert(corrupt(packet, new FaultRandom(seed)));
    assert.equal(packet[0] & 3, 0, "nobody is to make or to trust it any more");
    const whole = udp.slice();
    const checksum = ~sum16(udp) & 0xffff;
    whole.set(be16(checksum === 0 ? 0xffff : checksum), 6);
    const right = join(new Uint8Array(BEFORE), whole);
    // RFC 1071: with its checksum and the pseudo header, all of it adds up to ones.
    assert.equal(sum16(right, be16(pseudo)), 0xffff);
    let bits = 0;
    for (const [i, byte] of right.entries()) {
      for (let rest = byte ^ packet[HEADER_SIZE + i]; rest !== 0; rest &= rest - 1) bits++;
      if (i < 14) assert.equal(byte, packet[HEADER_SIZE + i], "the frame still reaches its card");
    }
    assert.equal(bits, 1);
  }));
});

Deno.test("what makes no sense, or is to be segmented, is not changed", () => {
  const random = new FaultRandom(1);
  assert.equal(corrupt(new Uint8Array(PACKET_MIN - 1), random), false);
  const segmented = partial(pattern(3000), 1);
  segmented[1] = 1;
  assert.equal(corrupt(segmented, random), false);
  const outside = partial(pattern(10), 1);
  outside[7] = 0xff;
  assert.equal(corrupt(outside, random), false);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
    corrupt(bytes, random);
  }));
});
