import assert from "node:assert/strict";
import { LAYOUTS } from "../testing/driver.ts";
import { GuardedMemory } from "../testing/guarded_memory.ts";
import { hostileChain, pokeRing } from "../testing/hostile_driver.ts";
import { Random } from "../testing/random.ts";
import type { GuestMemory } from "../../../src/memory/mod.ts";
import { DescriptorChain } from "./chain.ts";
import { VirtqueueError } from "./mod.ts";
import { QueueRig } from "./queue_test_rig.ts";

const INPUTS = Number(Deno.env.get("FUZZ_INPUTS") || 10_000);

/** Everything that a device relies on in a chain. */
function checkChain(memory: GuestMemory, chain: DescriptorChain, size: number): void {
  assert(chain.count <= size && chain.readableCount <= chain.count);
  let [readable, writable] = [0, 0];
  for (let i = 0; i < chain.count; i++) {
    const [address, length] = [chain.addresses[i], chain.lengths[i]];
    assert(length > 0);
    const end = address + length;
    assert(
      memory.regions.some((region) =>
        address >= region.guestAddress && end <= region.guestAddress + region.size
      ),
    );
    if (i < chain.readableCount) readable += length;
    else writable += length;
  }
  assert.deepEqual([chain.readableBytes, chain.writableBytes], [readable, writable]);
  assert(readable + writable <= 2 ** 32);
}

Deno.test("queues stand hostile drivers: chains are sound, and the device's stores stay in the rings", () => {
  const guarded = new GuardedMemory(1 << 20, 1 << 16);
  const { memory } = guarded;
  const random = new Random(3);
  let [rig, held, errors, popped] = [
    new QueueRig(LAYOUTS[0], 8, memory),
    [] as DescriptorChain[],
    0,
    0,
  ];
  const restart = () => {
    const layout = random.pick(LAYOUTS);
    rig = new QueueRig(
      layout,
      layout.packed ? random.between(1, 40) : 1 << random.below(6),
      memory,
    );
    held = [];
  };
  for (let step = 0; step < INPUTS; step++) {
    random.restart(4, step);
    const { queue, ring } = rig;
    const poke = ring.free === 0 || random.oneIn(3);
    try {
      if (poke) pokeRing(random, guarded, ring);
      else if (random.oneIn(2)) ring.offerRaw(hostileChain(random, guarded, ring));
      else ring.offer({ readable: [random.bytes(5)], writable: [3] });
    } catch {
      // Its own memory or its ids are used up.
      restart();
      continue;
    }
    const before = popped;
    try {
      for (let i = random.below(4); i > 0; i--) {
        const chain = new DescriptorChain(queue.size);
        if (!queue.pop(chain)) break;
        popped++;
        held.push(chain);
        checkChain(memory, chain, queue.size);
      }
      if (random.oneIn(4)) queue.ignore();
      if (random.oneIn(4)) queue.watch();
      if (popped > before && random.oneIn(4)) queue.unpop(held.pop()!);
      while (held.length > 0 && random.oneIn(2)) {
        const [chain] = held.splice(random.below(held.length), 1);
        queue.push(chain, random.below(chain.writableBytes + 1));
      }
      if (random.oneIn(2)) queue.flush();
    } catch (error) {
      if (!(error instanceof VirtqueueError)) throw error;
      errors++;
      restart();
      continue;
    }
    assert.equal(rig.queue.inFlight, held.length);
    assert(held.length <= queue.size);
    guarded.check();
  }
  assert(errors > INPUTS / 100 && popped > INPUTS / 100, `${errors} errors, ${popped} buffers`);
});
