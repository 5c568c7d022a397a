/**
 * The comparison of starts measures what it says; how fast anything starts is not a test's concern.
 * @module
 */
import assert from "node:assert/strict";
import { OURS } from "../../bench/compare/report.ts";
import { denovisorAs, qemu } from "../../bench/monitors/mod.ts";
import { measureStart, measureStarts, start } from "../../bench/subjects/start.ts";
import { findCommand } from "../../src/rootfs/command.ts";
import { SOURCE_TREE } from "../cli/process.ts";
import { assemble, canAssemble } from "../payloads/assemble.ts";
import { testDirect } from "./payload_machine.ts";
import { brieflyMeasured, valuesOf } from "./report_check.ts";

const needs = canAssemble ? [] : ["binutils"];
const hasQemu = findCommand("qemu-system-x86_64") !== undefined;

testDirect(
  "each monitor's guest says something, and all is over after that",
  async () => {
    const report = await brieflyMeasured(start);
    const firsts = valuesOf(report, "exec to first byte");
    const exits = valuesOf(report, "exec to exit");
    assert.equal(Object.keys(firsts)[0], OURS);
    assert.equal(qemu.name in firsts, hasQemu);
    assert(OURS in report.commands);
    for (const [side, values] of Object.entries(firsts)) {
      for (const [round, first] of values.entries()) {
        assert(first > 1 && first < exits[side][round], `${side}: ${first}, ${exits[side][round]}`);
      }
    }
    assert.equal(report.measures.every(({ goals }) => goals?.length === (hasQemu ? 1 : 0)), true);
  },
  needs,
);

testDirect(
  "without an executable the source tree is measured, and that is said",
  async () => {
    const report = await measureStarts({ seconds: 0.1, rounds: 1 }, "/nowhere/denovisor");
    assert.match(report.commands[OURS], /main\.ts run '?\$GUEST/);
    assert(report.notes.some((note) => note.includes("deno task compile builds it")));
    assert.equal(Object.keys(report.commands).filter((side) => side.startsWith(OURS)).length, 1);
  },
  needs,
);

testDirect(
  "a monitor whose guest does not end as it should is not measured",
  async () => {
    const { path: program } = await assemble("pvh");
    const lost = { ...denovisorAs(SOURCE_TREE), statusOf: () => 99 };
    const guest = { program, parameters: {}, devices: {} };
    await assert.rejects(measureStart(lost, guest), /ended with status 33/);
  },
  needs,
);
