import assert from "node:assert/strict";
import { DeviceError } from "../module.ts";
import { forEachLayout } from "../testing/driver.ts";
import { fuzzDevice } from "../testing/fuzz.ts";
import { DeviceRig } from "../testing/rig.ts";
import { entropy } from "./mod.ts";

forEachLayout((layout) => {
  Deno.test(`${layout.name}: a buffer comes back full, and no two alike`, async () => {
    await using rig = DeviceRig.create(entropy, {});
    rig.start(layout);
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const { bytes, written } = rig.request(0, { writable: [16, 32, 16] });
      assert.equal(written, 64);
      seen.add(bytes.toHex());
    }
    assert.equal(seen.size, 20);
    assert.equal(rig.metrics.read().bytes, 20 * 64);
  });

  Deno.test(`${layout.name}: many buffers at once are all served, in turns`, async () => {
    await using rig = DeviceRig.create(entropy, {});
    rig.start(layout);
    for (let i = 0; i < 60; i++) rig.driver.queue(0).offer({ writable: [100] });
    rig.kick(0);
    rig.run(() => rig.collect(0).length === 60);
  });

  Deno.test(`${layout.name}: a buffer larger than 64 KiB is filled in part, an empty one not at all`, async () => {
    await using rig = DeviceRig.create(entropy, {});
    rig.start(layout);
    assert.equal(rig.request(0, { writable: [100_000] }).written, 65_536);
    assert.equal(rig.request(0, { readable: [new Uint8Array(8)] }).written, 0);
  });
});

Deno.test("the limit is kept within 5 %, and can be lifted", async () => {
  // What may be saved up makes good for whatever keeps this process from running.
  await using rig = DeviceRig.create(entropy, "bandwidth=1M/s,bandwidth-burst=1M");
  rig.start();
  const began = performance.now();
  let bytes = -(2 ** 20);
  while (performance.now() - began < 1000) bytes += rig.request(0, { writable: [4096] }).written;
  const rate = bytes / (performance.now() - began) * 1000;
  assert(Math.abs(rate / 2 ** 20 - 1) < 0.05, `${rate} bytes a second`);
  assert(rig.metrics.read().throttled > 0);
  assert.deepEqual(rig.command("limits", { bandwidth: null }), {
    bandwidth: null,
    "bandwidth-burst": null,
    iops: null,
    "iops-burst": null,
  });
  const lifted = performance.now();
  for (let i = 0; i < 256; i++) rig.request(0, { writable: [65_536] });
  assert(performance.now() - lifted < 4000, "16 MiB without a limit");
});

Deno.test("a file can be the source; at its end the guest waits, and the log says why", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, Uint8Array.from({ length: 100 }, (_, i) => i));
    await using rig = DeviceRig.create(entropy, { source: path });
    rig.start();
    assert.deepEqual([...rig.request(0, { writable: [4] }).bytes], [0, 1, 2, 3]);
    assert.equal(rig.request(0, { writable: [200] }).written, 96);
    rig.offer(0, { writable: [8] });
    rig.run(() => rig.log.length > 0);
    assert.match(rig.log[0], /its source has come to its end/);
    await Deno.writeFile(path, new Uint8Array(8).fill(9), { append: true });
    rig.run(() => rig.collect(0).length === 1);
    assert.deepEqual([...rig.completed[0][0].bytes], Array(8).fill(9));
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a source that can't be read, and a burst without a limit, are refused", () => {
  assert.throws(() => DeviceRig.create(entropy, { source: "/nowhere" }), (error: unknown) => {
    assert(error instanceof DeviceError);
    assert.match(error.message, /^rng: source: .*\/nowhere.*ENOENT.*leave it out/);
    return true;
  });
  assert.throws(() => DeviceRig.create(entropy, "iops-burst=5"), /iops-burst/);
});

Deno.test("a device that is stopped while it waits for its limit gives its buffers back", async () => {
  await using rig = DeviceRig.create(entropy, "iops=1,iops-burst=1");
  rig.start();
  rig.request(0, { writable: [8] });
  rig.offer(0, { writable: [8] });
  rig.stop();
  rig.command("limits", { iops: null });
  rig.resume();
  rig.run(() => rig.collect(0).length === 1);
});

Deno.test("an entropy device stands hostile drivers", async () => {
  await fuzzDevice({
    module: entropy,
    options: "bandwidth=1G/s",
    requestGenerator: (random) => ({ queue: 0, writable: [random.length(100_000)] }),
    hostEvent: (random, rig) => void rig.command("limits", { iops: 1 + random.below(1_000_000) }),
  });
});
