import assert from "node:assert/strict";
import fc from "fast-check";
import { DelayLine, LINE_BYTES, LINE_PACKETS, OVERTAKING_MS } from "./delay_line.ts";

const packet = (number: number) => Uint8Array.of(number, number >> 8);
const number = (bytes: Uint8Array | undefined) => bytes && (bytes[0] | bytes[1] << 8);

Deno.test("packets arrive when it is time, those of one moment in the order they came in", () => {
  const sent = fc.array(fc.nat(20), { maxLength: 60 });
  fc.assert(fc.property(sent, (times) => {
    const line = new DelayLine();
    for (const [i, at] of times.entries()) assert(line.push(packet(i), at));
    const arrived: number[] = [];
    for (let now = 0; now <= 20; now++) {
      for (let bytes; (bytes = line.take(now)) !== undefined;) {
        const i = number(bytes)!;
        assert.equal(times[i], now);
        arrived.push(i);
      }
      assert(line.next > now);
    }
    const expected = [...times.keys()].sort((a, b) => times[a] - times[b] || a - b);
    assert.deepEqual(arrived, expected);
    assert.deepEqual([line.length, line.next], [0, Infinity]);
  }));
});

Deno.test("a packet is overtaken by the next one, or arrives later where none comes", () => {
  const line = new DelayLine();
  line.push(packet(1), 0, true);
  assert.equal(line.take(0), undefined);
  line.push(packet(2), 0);
  assert.deepEqual([number(line.take(0)), number(line.take(0))], [2, 1]);
  line.push(packet(3), 0, true);
  assert.equal(line.next, OVERTAKING_MS);
  assert.equal(number(line.take(OVERTAKING_MS)), 3);
  line.push(packet(4), 0, true);
  line.push(packet(5), 0, true);
  line.push(packet(6), 0);
  const order = [1, 2, 3].map(() => number(line.take(0)));
  assert.deepEqual(order.toSorted(), [4, 5, 6], "none is lost");
});

Deno.test("a line is bounded, and can be emptied at once", () => {
  const line = new DelayLine();
  for (let i = 0; i < LINE_PACKETS; i++) assert(line.push(packet(i), 1e9, i === 7));
  assert(!line.push(packet(0), 0));
  line.hurry();
  for (let i = 0; i < LINE_PACKETS; i++) assert(line.take(0) !== undefined);
  assert.equal(line.take(0), undefined);
  const large = new Uint8Array(LINE_BYTES / 4);
  for (let i = 0; i < 4; i++) assert(line.push(large, 0));
  assert(!line.push(packet(0), 0));
  line.clear();
  assert(line.push(large, 0));
  line.push(packet(1), 5);
  line.take(0);
  line.putBack(large, 9);
  assert.equal(line.take(8), undefined, "nothing overtakes what was put back");
  assert.equal(line.take(9), large);
});
