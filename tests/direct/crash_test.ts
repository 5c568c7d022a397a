/**
 * Guests that can't go on, and what is said of them.
 * @module
 */
import assert from "node:assert/strict";
import { assemble } from "../payloads/assemble.ts";
import { runPayload, testDirect } from "./payload_machine.ts";

/** What both payloads have in RAX where they crash. */
const RAX = /\brax\W+0*1234abcd\b/i;

for (
  const [name, what, reason, exit, code] of [
    [
      "triple_fault",
      "a triple fault",
      /triple fault/,
      /KVM_EXIT_SHUTDOWN/,
      /\b0f 0b\b/,
    ],
    [
      "emulation_failure",
      "an instruction that KVM can't emulate",
      /can't run the guest/,
      /KVM_EXIT_INTERNAL_ERROR[^]*KVM_INTERNAL_ERROR_EMULATION/,
      /\bdb 2b\b/,
    ],
  ] as const
) {
  testDirect(`${what} is reported with its name, the registers and the bytes at RIP`, async () => {
    const { symbols } = await assemble(name);
    const { end, console } = await runPayload(name);
    assert.equal(console, "before\n", "what was printed before is not lost");
    assert(end.kind === "crash", `the end is ${end.kind}`);
    const { report } = end;
    assert.equal(report.vcpu, 0);
    assert.match(report.reason, reason);
    const details = report.details.join("\n");
    assert.match(details, exit);
    assert.match(details, RAX);
    assert.match(details, new RegExp(`\\brip\\W+0*${symbols.fault.toString(16)}\\b`, "i"));
    assert.match(details, code);
  });
}

testDirect("a crash on another processor than the first is reported as that one's", async () => {
  const { end } = await runPayload("smp_crash", { cpus: 3 }, { format: "elf32" });
  assert(end.kind === "crash", `the end is ${end.kind}`);
  assert.equal(end.report.vcpu, 2);
  assert.match(end.report.reason, /triple fault/);
});
