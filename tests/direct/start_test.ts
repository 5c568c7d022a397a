/**
 * The comparison of starts measures what it says; how fast anything starts is not a test's concern.
 * @module
 */
import assert from "node:assert/strict";
import { denovisorAs } from "../../bench/monitors/mod.ts";
import { measureStart, type StartResult, startTable } from "../../bench/start.ts";
import { findCommand } from "../../src/rootfs/command.ts";
import { SOURCE_TREE } from "../cli/process.ts";
import { assemble, canAssemble } from "../payloads/assemble.ts";
import { runCompare } from "./compare_process.ts";
import { testDirect } from "./payload_machine.ts";

const needs = canAssemble ? [] : ["binutils"];
const hasQemu = findCommand("qemu-system-x86_64") !== undefined;

testDirect(
  "compare start tells when each monitor's guest says something and when all is over",
  async () => {
    const { code, stdout, stderr } = await runCompare("start", "--json", "--rounds", "2");
    assert.equal(code, 0, stderr);
    const result: StartResult & { host: Record<string, string> } = JSON.parse(stdout);
    assert.match(result.host.kernel, /^Linux/);
    assert.equal(result.rounds, 2);
    assert.equal("QEMU microvm" in result.milliseconds, hasQemu);
    assert("deno run" in result.milliseconds);
    for (const [name, { firstByte, exit }] of Object.entries(result.milliseconds)) {
      assert(firstByte.min > 1 && exit.min > firstByte.min && exit.max >= exit.median, name);
    }
    const theirs = result.milliseconds["QEMU microvm"]?.firstByte;
    for (const [name, { firstByte }] of Object.entries(result.ratios)) {
      const ours = result.milliseconds[name].firstByte;
      assert(firstByte.min >= ours.min / theirs.max * 0.999, name);
      assert(firstByte.max <= ours.max / theirs.min * 1.001, name);
    }
    const table = startTable(result);
    for (const name of Object.keys(result.milliseconds)) {
      assert(table.includes(`\n${name} `), table);
    }
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
