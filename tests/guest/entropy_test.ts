/**
 * The entropy device of stock kernels.
 * @module
 */
import assert from "node:assert/strict";
import { guestTest } from "./boot.ts";
import { PeerGuest } from "./peer_guest.ts";

// Both layouts of virtqueues are used, and each transport with one of them.
for (const [transport, packed] of [["pci", true], ["mmio", false]] as const) {
  const layout = packed ? "packed" : "split";
  guestTest(`/dev/hwrng gives fresh bytes on ${transport} with ${layout} queues`, async () => {
    await using guest = await PeerGuest.start({
      transport,
      rng: { packed },
      drivers: ["virtio_rng"],
    });
    assert.match(
      await guest.run("cat /sys/class/misc/hw_random/rng_current"),
      /^virtio_rng/,
    );
    const read = "dd if=/dev/hwrng bs=4096 count=4 iflag=fullblock 2>/dev/null";
    await guest.run(`${read} > /tmp/a; ${read} > /tmp/b`);
    const [a, b] = (await guest.run("sha256sum < /tmp/a; sha256sum < /tmp/b; wc -c < /tmp/a"))
      .split("\n");
    assert.notEqual(a, b);
    // Random bytes can't be packed: 16 KiB of them stay 16 KiB.
    const packedSize = Number(await guest.run("gzip -c /tmp/a | wc -c"));
    assert(packedSize > 16 * 1024, `16 KiB of random bytes pack into ${packedSize}`);
    const { bytes, failures } = guest.machine.devices.get("rng")!.metrics;
    assert(bytes >= 32 * 1024, `${bytes} bytes were asked for`);
    assert.equal(failures, 0);
  });
}
