/**
 * Queues whose owner looks at the driver instead of being notified.
 * @module
 */
import assert from "node:assert/strict";
import { forEachLayout } from "../testing/driver.ts";
import { Random } from "../testing/random.ts";
import { QueueRig } from "./queue_test_rig.ts";

function opened(...args: ConstructorParameters<typeof QueueRig>): QueueRig {
  const rig = new QueueRig(...args);
  rig.queue = rig.open(undefined, true);
  return rig;
}

/** Takes and gives back all there is, and then watches, as devices do. */
function serve(rig: QueueRig): number {
  const chain = rig.chain();
  let count = 0;
  rig.queue.ignore();
  do {
    for (; rig.queue.pop(chain); count++) rig.queue.push(chain, 0);
    rig.queue.flush();
  } while (rig.queue.watch());
  return count;
}

forEachLayout((layout) => {
  const over = `over ${layout.name}`;

  Deno.test(`a queue that is looked at has its driver notify once it is armed, ${over}`, () => {
    const rig = opened(layout, 8);
    const { queue, ring } = rig;
    assert.equal(queue.news, false);
    ring.offer({ writable: [1] });
    assert(ring.kickWanted, "it is armed at first");
    assert(queue.news);
    assert.equal(serve(rig), 1);
    ring.collect();
    for (let i = 0; i < 3; i++) {
      ring.kickWanted = false;
      ring.offer({ writable: [1] });
      assert.equal(ring.kickWanted, false, "the driver is looked at");
      assert(queue.news);
      assert.equal(serve(rig), 1);
      assert.equal(queue.news, false);
      ring.collect();
    }
    assert.equal(queue.arm(), false);
    ring.kickWanted = false;
    ring.offer({ writable: [1] });
    assert(ring.kickWanted);
  });

  Deno.test(`what comes before a queue is armed is news when it is, ${over}`, () => {
    const rig = opened(layout, 8);
    serve(rig);
    rig.ring.offer({ writable: [1] });
    assert.equal(rig.queue.arm(), true);
    assert.equal(serve(rig), 1);
    assert.equal(rig.queue.arm(), false);
  });

  Deno.test(`news that a device leaves alone is none until more comes, ${over}`, () => {
    const rig = opened(layout, 8);
    const { queue, ring } = rig;
    ring.offer({ writable: [1] });
    assert(queue.news);
    queue.note();
    assert.equal(queue.news, false);
    assert.equal(queue.arm(), false, "nobody would ever sleep");
    assert.equal(serve(rig), 1);
    ring.offer({ writable: [1] });
    assert(queue.news);
  });

  Deno.test(`a device that wants no notifications gets no news, ${over}`, () => {
    const rig = opened(layout, 8);
    const { queue, ring } = rig;
    queue.ignore();
    ring.offer({ writable: [1] });
    assert.equal(queue.news, false);
    assert.equal(queue.arm(), false);
    assert.equal(queue.watch(), true, "it is told here");
    assert.equal(serve(rig), 1);
  });

  Deno.test(`nothing that a driver offers goes unheard of, looked at and armed in any order, ${over}`, () => {
    const random = new Random(7);
    // Long enough for indices and laps to come round.
    const rig = opened(layout, 4);
    const { queue, ring } = rig;
    let offered = 0;
    let served = 0;
    let armed = false;
    for (let step = 0; step < 100_000; step++) {
      const waiting = offered - served;
      switch (random.below(3)) {
        case 0: {
          if (waiting === 4) break;
          ring.kickWanted = false;
          ring.offer({ writable: [1] });
          offered++;
          if (armed) assert(ring.kickWanted || waiting > 0, `step ${step}: nobody is told`);
          break;
        }
        case 1:
          if (!armed || waiting > 0) assert.equal(queue.news, waiting > 0, `step ${step}`);
          if (!queue.news) break;
          queue.note();
          served += serve(rig);
          ring.collect();
          armed = false;
          break;
        default:
          armed = !queue.arm();
          assert.equal(armed, waiting === 0, `step ${step}`);
      }
    }
    assert(served > 10_000);
  });
});
