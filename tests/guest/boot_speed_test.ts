/**
 * The comparison of boots measures what it says.
 * @module
 */
import assert from "node:assert/strict";
import { checkReport } from "../../bench/compare/judge.ts";
import { OURS } from "../../bench/compare/report.ts";
import { measureBoots } from "../../bench/subjects/boot.ts";
import { findCommand } from "../../src/rootfs/command.ts";
import { guestTest } from "./boot.ts";

guestTest("compare boot has each monitor boot the same kernel to its first process", async () => {
  const way = { name: "one", cpus: 1, image: "bzImage", hasMinimum: true } as const;
  const report = await measureBoots({ seconds: 1, rounds: 1 }, [way]);
  checkReport(report);
  assert.deepEqual(report.measures.map(({ name }) => name), [
    "one, to init",
    "one, to the monitor's end",
  ]);
  const [init, end] = report.measures.map(({ values }) => values);
  const sides = Object.keys(init);
  assert.equal(sides[0], OURS);
  assert(sides.includes("C minimum"));
  assert.equal(sides.includes("QEMU"), findCommand("qemu-system-x86_64") !== undefined);
  for (const side of sides) {
    assert(init[side][0] > 0 && end[side][0] > init[side][0], side);
    assert.match(report.commands[side], /^[^/ ][^ ]* .*\$BZIMAGE/, "as typed in the checkout");
  }
}, findCommand("gcc") !== undefined);
