/**
 * The entropy device of stock kernels.
 * @module
 */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { vmTest } from "../../src/vm/test.ts";
import { LINUX } from "./shell.ts";

const SIZE = 16 * 1024;

// Both layouts of virtqueues are used, and each transport with one of them.
for (const [transport, packed] of [["pci", true], ["mmio", false]] as const) {
  const layout = packed ? "packed" : "split";
  const config = { ...LINUX, transport, rng: { packed } };
  vmTest(
    `/dev/hwrng gives fresh bytes on ${transport} with ${layout} queues`,
    config,
    async (vm) => {
      const { guest } = vm;
      const current = await guest.readTextFile("/sys/class/misc/hw_random/rng_current");
      assert.match(current, /^virtio_rng/);
      const a = await guest.readFile("/dev/hwrng", { length: SIZE });
      const b = await guest.readFile("/dev/hwrng", { length: SIZE });
      assert.deepEqual([a.length, b.length], [SIZE, SIZE]);
      assert(a.some((byte, at) => byte !== b[at]), "the second bytes are the first");
      // Random bytes can't be packed: 16 KiB of them stay 16 KiB.
      const packedSize = gzipSync(a).length;
      assert(packedSize > SIZE, `16 KiB of random bytes pack into ${packedSize}`);
      const { bytes, failures } = vm.devices.get("rng")!.metrics;
      assert(bytes >= 2 * SIZE, `${bytes} bytes were asked for`);
      assert.equal(failures, 0);
    },
  );
}
