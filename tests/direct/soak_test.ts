/**
 * The long run watches what it says; here it is a short one.
 * @module
 */
import assert from "node:assert/strict";
import { OURS } from "../../bench/compare/report.ts";
import { soak } from "../../bench/subjects/soak.ts";
import { CAN_MAKE_TAPS } from "../../devices/virtio/net/testing/taps.ts";
import { COMPILER } from "../payloads/compile.ts";
import { testDirect } from "./payload_machine.ts";
import { brieflyMeasured, valuesOf } from "./report_check.ts";

testDirect(
  "a long run counts exits, requests and round trips, and what the process holds meanwhile",
  async () => {
    const report = await brieflyMeasured(soak);
    const single = (name: string) => {
      const { [OURS]: values } = valuesOf(report, name);
      assert.equal(values.length, 1, name);
      return values[0];
    };
    for (const name of ["exits", "disk requests", "net round trips"]) assert(single(name) > 0);
    const rss = valuesOf(report, "RSS")[OURS];
    const pss = valuesOf(report, "PSS")[OURS];
    // One when counting begins, and one of each sample; what is shared weighs less than what is there.
    assert(rss.length >= 3);
    rss.forEach((value, i) => assert(value > pss[i] && pss[i] > 0));
    // Deno and V8 have threads of their own that come and go in so short a time.
    assert(Math.abs(single("threads, last third less first")) <= 2);
    const { [OURS]: threads } = valuesOf(report, "threads");
    // Two vCPUs at least, and the one that serves devices.
    assert(threads.every((count) => count > 3), `${threads}`);
    for (const kind of ["port write", "port read", "MMIO read", "disk read", "net round trip"]) {
      const [p50, p99] = ["p50", "p99"].map((part) => valuesOf(report, `${kind}, ${part}`)[OURS]);
      p50.forEach((value, i) => assert(value > 0 && value <= p99[i], `${kind}: ${p50}, ${p99}`));
      assert(single(`${kind}, p50, last third by first`) > 0);
    }
  },
  [...COMPILER, ...CAN_MAKE_TAPS ? [] : ["permission to make taps"]],
);
