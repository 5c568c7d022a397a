/**
 * Guests that can't go on, and what is said of them.
 * @module
 */
import assert from "node:assert/strict";
import { assemble } from "../payloads/assemble.ts";
import { emulationFailure, tripleFault } from "../../src/cli/self_test/judges/ends.ts";
import { judgePayload, runPayload, testDirect } from "./payload_machine.ts";

/** What the report has to say of where the payload crashed. */
async function checkRip(name: string, details: string): Promise<void> {
  const { symbols } = await assemble(name);
  assert.match(details, new RegExp(`\\brip\\W+0*${symbols.fault.toString(16)}\\b`, "i"));
}

testDirect(
  "a triple fault is reported with its name, the registers and the bytes at RIP",
  async () => {
    const details = await judgePayload(tripleFault, "triple_fault");
    if (details !== undefined) await checkRip("triple_fault", details);
  },
);

testDirect(
  "an instruction that KVM can't emulate is reported with its name, the registers and the bytes at RIP",
  async () => {
    await checkRip("emulation_failure", await judgePayload(emulationFailure, "emulation_failure"));
  },
);

testDirect("a crash on another processor than the first is reported as that one's", async () => {
  const { end } = await runPayload("smp_crash", { cpus: 3 }, { format: "elf32" });
  assert(end.kind === "crash", `the end is ${end.kind}`);
  assert.equal(end.report.vcpu, 2);
  assert.match(end.report.reason, /triple fault/);
});
