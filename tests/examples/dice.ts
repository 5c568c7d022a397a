/**
 * A device of one's own on the bus: a port at which each read throws a die. A write sets the seed of the throws.
 *
 *     denovisor run KERNEL --device tests/examples/dice.ts,sides=20
 *
 * @module
 */
import { count, defineBusDevice, optional, withDefault } from "denovisor/devices";

export default defineBusDevice({
  options: {
    sides: withDefault(count("N", "how many sides the die has", 2, 256), 6),
    port: optional(count("N", "the port it is at (one that the machine finds)", 0, 0xffff)),
  },
  ranges: ({ port }) => [{ space: "pio", base: port, size: 1 }],
  // Linux lists its port under this name in /proc/ioports.
  acpiId: "DICE0001",
  // Shared by all vCPUs, and saved with the machine.
  state: { registers: { seed: 0xffff_ffff, throws: 0xffff_ffff } },

  attach: ({ options, state }) => ({
    read() {
      state.throws++;
      // George Marsaglia's xorshift, which never leaves 0.
      state.seed ||= crypto.getRandomValues(new Uint32Array(1))[0] || 1;
      state.seed ^= state.seed << 13;
      state.seed ^= state.seed >>> 17;
      state.seed ^= state.seed << 5;
      return state.seed % options.sides + 1;
    },
    write(_offset, _size, value) {
      state.seed = value;
    },
  }),
});
