/**
 * The comparison of Linux guests' sockets measures what it says.
 * @module
 */
import assert from "node:assert/strict";
import { OURS } from "../../bench/compare/report.ts";
import { vsockLinux } from "../../bench/subjects/vsock_linux.ts";
import { qemu } from "../../bench/monitors/mod.ts";
import { findCommand } from "../../src/rootfs/command.ts";
import { brieflyMeasured, valuesOf } from "../direct/report_check.ts";
import { guestTest } from "./boot.ts";

guestTest(
  "compare vsock-linux tells what programs in a guest and on its host get done",
  async () => {
    const report = await brieflyMeasured(vsockLinux, 1);
    const isThere = findCommand("qemu-system-x86_64") !== undefined &&
      qemu.refusal?.({ program: "", parameters: {}, devices: { vsock: "path" } }) === undefined;
    for (const { name } of report.measures) {
      const values = valuesOf(report, name);
      const sides = [OURS, ...isThere ? [qemu.name] : [], "Unix sockets in C"];
      assert.deepEqual(Object.keys(values), sides);
      for (const side of sides) {
        assert(
          values[side].every((value) => value > 0),
          `${name}: ${side}`,
        );
      }
    }
    assert.equal(report.measures.length, 4);
  },
  findCommand("gcc") !== undefined,
);
