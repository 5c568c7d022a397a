/**
 * The driver of queue_threads_test.ts, in an isolate of its own.
 * @module
 */
/// <reference lib="deno.worker" />

import { GuestMemory, type GuestMemorySpec } from "../../../src/memory/mod.ts";
import { FakeDriver, type Layout } from "../testing/driver.ts";

/** What the test posts. */
export interface DriverJob {
  readonly memory: GuestMemorySpec;
  readonly layout: Layout;
  readonly size: number;
  /** How many buffers go through. */
  readonly count: number;
  /** How often the driver has notified, and how often the device has interrupted. */
  readonly words: Int32Array<SharedArrayBuffer>;
}

/** What the driver saw. */
export interface DriverReport {
  readonly kicks: number;
  readonly waits: number;
  readonly problem: string;
}

/** Sends numbers through the queue, and takes back one more than each. */
function drive({ count, words }: DriverJob, driver: FakeDriver) {
  const ring = driver.queue(0);
  const sent = new Map<number, number>();
  const number = new Uint8Array(4);
  const view = new DataView(number.buffer);
  let [offered, back, kicks, waits] = [0, 0, 0, 0];
  const collect = () => {
    const done = ring.collect();
    for (const { token, bytes } of done) {
      const got = new DataView(bytes.buffer).getUint32(0);
      if (got !== sent.get(token)! + 1) throw new Error(`${sent.get(token)} became ${got}`);
      sent.delete(token);
      back++;
    }
    return done.length;
  };
  while (back < count) {
    for (let i = 0; i < 3 && offered < count && ring.free >= 2; i++, offered++) {
      view.setUint32(0, offered);
      sent.set(ring.add({ readable: [number], writable: [4] }), offered);
    }
    ring.publish();
    if (ring.kickWanted) {
      ring.kickWanted = false;
      kicks++;
      Atomics.add(words, 0, 1);
      Atomics.notify(words, 0);
    }
    if (collect() > 0 || (offered < count && ring.free >= 2)) continue;
    const seen = Atomics.load(words, 1);
    // As Linux does: ask, then look again.
    ring.wantInterrupts(Math.min(1 + (back % 3), ring.outstanding));
    if (collect() > 0) continue;
    waits++;
    if (Atomics.wait(words, 1, seen, 10_000) === "timed-out") {
      throw new Error(`no interrupt came, with ${ring.outstanding} buffers under way`);
    }
  }
  return { kicks, waits };
}

self.onmessage = ({ data }: MessageEvent<DriverJob>) => {
  const { layout, size } = data;
  const driver = new FakeDriver(GuestMemory.attach(data.memory), { ...layout, queueSizes: [size] });
  const { configuration } = driver.queue(0);
  self.postMessage(configuration);
  let report: DriverReport;
  try {
    report = { ...drive(data, driver), problem: "" };
  } catch (error) {
    report = { kicks: 0, waits: 0, problem: String(error) };
  }
  // The device may sleep still.
  Atomics.store(data.words, 2, 1);
  Atomics.add(data.words, 0, 1);
  Atomics.notify(data.words, 0);
  self.postMessage(report);
};
