/**
 * Guests that can't go on, and what is said of them.
 * @module
 */
import assert from "node:assert/strict";
import { assemble } from "../payloads/assemble.ts";
import { runPayload, testDirect } from "./payload_machine.ts";

/** What both payloads have in RAX where they crash. */
const RAX = /\brax\W+0*1234abcd\b/i;
/**
 * RIP, CS and CR0 after a reset. On AMD hosts the processor's state is undefined after a triple fault, so
 * that KVM resets it before it tells of the fault; what it was is lost.
 */
const RESET = /\brip\W+0*fff0\b[^]*\bcr0\W+0x(?:6000)?0*10\b/i;

/** Judges the lines of a report: its exit, RAX, RIP and the code there. */
async function checkDetails(name: string, details: string, exit: RegExp, code: RegExp) {
  const { symbols } = await assemble(name);
  assert.match(details, exit);
  assert.match(details, RAX);
  assert.match(details, new RegExp(`\\brip\\W+0*${symbols.fault.toString(16)}\\b`, "i"));
  assert.match(details, code);
}

testDirect(
  "a triple fault is reported with its name, the registers and the bytes at RIP",
  async () => {
    const { end, console } = await runPayload("triple_fault");
    assert.equal(console, "before\n", "what was printed before is not lost");
    assert(end.kind === "crash", `the end is ${end.kind}`);
    assert.equal(end.report.vcpu, 0);
    assert.match(end.report.reason, /triple fault/);
    const details = end.report.details.join("\n");
    if (RESET.test(details)) assert.match(details, /KVM_EXIT_SHUTDOWN/);
    else await checkDetails("triple_fault", details, /KVM_EXIT_SHUTDOWN/, /\b0f 0b\b/);
  },
);

testDirect(
  "an instruction that KVM can't emulate is reported with its name, the registers and the bytes at RIP",
  async () => {
    const { end, console } = await runPayload("emulation_failure");
    assert.equal(console, "before\n", "what was printed before is not lost");
    assert(end.kind === "crash", `the end is ${end.kind}`);
    assert.equal(end.report.vcpu, 0);
    assert.match(end.report.reason, /can't run the guest/);
    const exit = /KVM_EXIT_INTERNAL_ERROR[^]*KVM_INTERNAL_ERROR_EMULATION/;
    await checkDetails("emulation_failure", end.report.details.join("\n"), exit, /\bdb 2b\b/);
  },
);

testDirect("a crash on another processor than the first is reported as that one's", async () => {
  const { end } = await runPayload("smp_crash", { cpus: 3 }, { format: "elf32" });
  assert(end.kind === "crash", `the end is ${end.kind}`);
  assert.equal(end.report.vcpu, 2);
  assert.match(end.report.reason, /triple fault/);
});
