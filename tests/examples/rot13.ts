/**
 * A virtio device of one's own: whatever a driver puts into its queue comes back with each letter turned by some
 * places of the alphabet, and the counters tell how much that was.
 *
 *     denovisor run KERNEL --device tests/examples/rot13.ts,places=3
 *
 * @module
 */
import { count, defineVirtioDevice, withDefault } from "denovisor/devices";

function turned(byte: number, places: number): number {
  const first = byte & 0x60;
  const letter = (byte & 0x1f) - 1;
  const isLetter = (first === 0x40 || first === 0x60) && byte < 0x80 && letter >= 0 && letter < 26;
  return isLetter ? first + 1 + (letter + places) % 26 : byte;
}

export default defineVirtioDevice({
  type: 4242,
  options: { places: withDefault(count("N", "how far a letter is turned", 0, 25), 13) },
  queues: [64],
  // What the driver reads there.
  config: ({ places }) => Uint8Array.of(places),
  metrics: ["requests", "bytes"],

  open: ({ options, metrics }) => ({
    request(request) {
      const bytes = request.read().map((byte) => turned(byte, options.places));
      metrics.add("requests");
      metrics.add("bytes", request.write(bytes));
    },
  }),
});
