/**
 * The comparisons of disks and network cards measure what they say.
 * @module
 */
import assert from "node:assert/strict";
import { OURS, type Subject } from "../../bench/compare/report.ts";
import { block } from "../../bench/subjects/block.ts";
import { net } from "../../bench/subjects/net.ts";
import { CAN_MAKE_TAPS } from "../../devices/virtio/net/testing/taps.ts";
import { findCommand } from "../../src/rootfs/command.ts";
import { COMPILER } from "../payloads/compile.ts";
import { testDirect } from "./payload_machine.ts";
import { brieflyMeasured, valuesOf } from "./report_check.ts";

const hasQemu = findCommand("qemu-system-x86_64") !== undefined;

const WORK = [
  "4 KiB random reads, one at a time",
  "4 KiB random reads, 32 at a time",
  "1 MiB reads",
  "1 MiB writes",
];

async function check(subject: Subject, names: (all: readonly string[]) => readonly string[]) {
  const report = await brieflyMeasured(subject);
  const all = report.measures.map(({ name }) => name);
  assert.deepEqual(all, names(all));
  for (const { name, goals } of report.measures) {
    const values = valuesOf(report, name);
    assert.deepEqual(Object.keys(values), hasQemu ? [OURS, "QEMU"] : [OURS]);
    for (const side of Object.values(values)) {
      assert.equal(side.length, 2);
      assert(side.every((value) => value > 0), `${name}: ${side}`);
    }
    assert.deepEqual(goals?.map(({ by }) => by), ["QEMU"]);
  }
  return report;
}

testDirect(
  "compare block tells what each monitor's guest gets done, through the host's cache and past it",
  async () => {
    const ways = (all: readonly string[]) =>
      all.length > WORK.length ? ["page cache", "O_DIRECT"] : ["page cache"];
    const { commands, notes } = await check(
      block,
      (all) => ways(all).flatMap((way) => WORK.map((work) => `${way}: ${work}`)),
    );
    const direct = notes.some((note) => note.startsWith("Without O_DIRECT"));
    assert.equal(commands[OURS].includes("$DISK,cache=direct"), !direct, commands[OURS]);
    assert.match(commands[OURS], /\$GUEST .*--disk \$DISK\b/);
  },
  COMPILER,
);

testDirect(
  "compare net tells what each monitor's guest gets done, in both directions",
  async () => {
    const { commands } = await check(net, () => [
      "64-byte packets from the guest",
      "64-byte packets to the guest",
      "64 KiB segments from the guest",
      "64 KiB segments to the guest",
      "64-byte round trips",
    ]);
    assert.match(commands[OURS], /\$GUEST .*--net \$TAP\b/);
  },
  [...COMPILER, ...CAN_MAKE_TAPS ? [] : ["permission to make taps"]],
);
