/**
 * The comparison of sockets measures what it says.
 * @module
 */
import assert from "node:assert/strict";
import { OURS } from "../../bench/compare/report.ts";
import { vsock } from "../../bench/subjects/vsock.ts";
import { COMPILER } from "../payloads/compile.ts";
import { testDirect } from "./payload_machine.ts";
import { brieflyMeasured, valuesOf } from "./report_check.ts";

testDirect(
  "compare vsock tells what a guest and a pair of sockets get done, in both directions",
  async () => {
    // Long enough for a buffer to arrive in each turn on a busy host.
    const report = await brieflyMeasured(vsock, 2);
    assert.deepEqual(report.measures.map(({ name }) => name), [
      "guest to host, packets of 64 KiB",
      "host to guest, buffers of 64 KiB",
      "host to guest, buffers of 4 KiB",
      "round trip of 64 bytes",
    ]);
    for (const { name } of report.measures) {
      const values = valuesOf(report, name);
      assert.deepEqual(Object.keys(values), [OURS, "Unix sockets in C"]);
      for (const side of Object.values(values)) {
        assert.equal(side.length, 2);
        assert(side.every((value) => value > 0), `${name}: ${side}`);
      }
    }
  },
  COMPILER,
);
