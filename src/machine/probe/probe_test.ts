import assert from "node:assert/strict";
import { Kvm } from "../../kvm/mod.ts";
import { guestChecks } from "../../cli/doctor/kvm_checks.ts";
import { probeStockKernels, runProbe } from "./probe.ts";
import { type ProbeTest, TESTS } from "./probe_payload.ts";

function hasKvm(): boolean {
  try {
    using _kvm = Kvm.open();
    return Deno.build.arch === "x86_64";
  } catch {
    return false;
  }
}

const ignore = !hasKvm();

async function results(tests: readonly ProbeTest[], timeout = 10_000) {
  const answer = await runProbe(tests, timeout);
  assert("results" in answer, "problem" in answer ? answer.problem : "");
  return answer.results;
}

Deno.test({
  name: "every instruction gets its verdict, and the probe is done once in a process",
  ignore,
  async fn() {
    const first = await probeStockKernels();
    assert.deepEqual(first.instructions.map((r) => r.instruction), TESTS.map((t) => t.instruction));
    assert(first.instructions.every(({ status }) => status !== "not-tried"));
    const fails = first.instructions.some(({ status }) => status === "fails");
    assert.equal(first.runsStockKernels, !fails);
    assert.equal(probeStockKernels(), probeStockKernels());
    assert.equal(await probeStockKernels(), first);
  },
});

Deno.test({
  name:
    "the guest runs the test that it is told, and its exceptions are told apart from its results",
  ignore,
  async fn() {
    // `wrong` and stub 13 are no tests, but code that every KVM executes.
    const [wrong, passed, offered] = await results([
      { instruction: "wrong", expected: 0x01 },
      { instruction: "wrong", expected: 0x00 },
      { instruction: "wrong", expected: 0x00, cpuidEcxBit: 27 },
    ]);
    assert.equal(wrong.status, "fails");
    assert.match(wrong.detail, /something else/);
    assert.equal(passed.status, "works");
    // Bit 27, OSXSAVE, tells of CR4, and KVM_GET_SUPPORTED_CPUID does not have it.
    assert.equal(offered.status, "not-offered");
    const [raised] = await results([{ instruction: "stubs", expected: 0x01 }]);
    assert.deepEqual(raised, {
      instruction: "stubs",
      status: "fails",
      detail: "it raised exception 0",
    });
  },
});

Deno.test({
  name: "a guest that spins is stopped when time is up, and nothing is tried after it",
  ignore,
  async fn() {
    const began = performance.now();
    const [spin, after] = await results([{ instruction: "SPIN", expected: 1 }, ...TESTS], 100);
    assert(performance.now() - began < 5000, "it took too long");
    assert.equal(spin.status, "fails");
    assert.match(spin.detail, /^it did not end at eb fe /);
    assert.equal(after.status, "not-tried");
  },
});

Deno.test("what could not be probed, or failed, is missing, and what is not offered is not", () => {
  const problem = "there is no /dev/kvm";
  assert.deepEqual(guestChecks({ runsStockKernels: false, instructions: [], problem }), [
    { area: "guest", name: "probe", status: "missing", detail: problem },
  ]);
  const checks = guestChecks({
    runsStockKernels: false,
    instructions: (["works", "fails", "not-offered", "not-tried"] as const).map((status) => ({
      instruction: status,
      status,
      detail: "d",
    })),
  });
  assert.deepEqual(checks.map(({ status }) => status), ["ok", "missing", "ok", "missing"]);
  assert.deepEqual(checks.map(({ remedy }) => remedy !== undefined), [false, true, false, true]);
});
