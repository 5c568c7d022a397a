import assert from "node:assert/strict";
import { KVM_CAP } from "../../kvm/mod.ts";
import { capabilityChecks } from "./capabilities.ts";

Deno.test("a capability that a machine needs is missing, one that it can do without is absent", () => {
  const statuses = (answer: number) =>
    new Set(capabilityChecks(() => answer).map(({ status }) => status));
  assert.deepEqual(statuses(1), new Set(["ok"]));
  assert.deepEqual(statuses(0), new Set(["missing", "absent"]));
  for (const { status, remedy } of capabilityChecks(() => 0)) {
    assert.equal(remedy !== undefined, status === "missing");
  }
});

Deno.test("each capability is asked for by its own number", () => {
  const asked: number[] = [];
  const checks = capabilityChecks((number) => asked.push(number));
  assert.equal(new Set(asked).size, asked.length);
  for (const [i, { name }] of checks.entries()) {
    assert.equal(name, `KVM_CAP_${Object.entries(KVM_CAP).find(([, n]) => n === asked[i])?.[0]}`);
  }
});
