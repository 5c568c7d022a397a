import assert from "node:assert/strict";
import { MsrError } from "../../kvm/mod.ts";
import { vcpuCpuid } from "./cpuid/mod.ts";
import { AMD, INTEL } from "./cpuid/testing.ts";
import { setLocalInterrupts } from "./lapic.ts";
import { type BootMsr, bootMsrs, type MsrVcpu, setBootMsrs } from "./msrs.ts";
import { resetVector } from "./reset_vector.ts";

/** A vCPU that keeps MSRs and refuses some. */
class FakeVcpu implements MsrVcpu {
  readonly msrs = new Map<number, bigint>([[0x1a0, 0x1800n], [0xc001_0015, 0n]]);

  constructor(readonly refused: readonly number[]) {}

  getMsrs(indices: readonly number[]): bigint[] {
    return indices.map((index, i) => {
      if (this.refused.includes(index)) throw new MsrError(index, i, "read", "vCPU 0");
      return this.msrs.get(index) ?? 0n;
    });
  }

  setMsrs(entries: readonly { readonly index: number; readonly data: bigint }[]): void {
    for (const [i, { index, data }] of entries.entries()) {
      if (this.refused.includes(index)) throw new MsrError(index, i, "written", "vCPU 0");
      this.msrs.set(index, data);
    }
  }
}

const options = { topology: { count: 1 }, index: 0, tscDeadlineTimer: true };
const amd = bootMsrs(vcpuCpuid(AMD, options));
const intel = bootMsrs(vcpuCpuid(INTEL, options));

Deno.test("the boot MSRs make memory cacheable and keep the bits that KVM set", () => {
  const vcpu = new FakeVcpu([]);
  assert.deepEqual(setBootMsrs(vcpu, amd), []);
  assert.equal(vcpu.msrs.get(0x2ff), 0x806n, "MTRRs on, write-back");
  assert.equal(vcpu.msrs.get(0x1a0), 0x1801n, "fast strings beside what was there");
  assert.equal(vcpu.msrs.get(0xc001_0015), 1n << 24n);
  for (const index of [0x174, 0x175, 0x176, 0xc000_0081, 0xc000_0082, 0xc000_0102]) {
    assert.equal(vcpu.msrs.get(index), 0n);
  }
});

Deno.test("HWCR is AMD's, and MTRRs are set where the processor has them", () => {
  const indices = (msrs: readonly BootMsr[]) => msrs.map(({ index }) => index);
  assert.ok(indices(amd).includes(0xc001_0015) && !indices(intel).includes(0xc001_0015));
  const without = INTEL.map((e) => e.function === 1 ? { ...e, edx: e.edx & ~(1 << 12) } : e);
  assert.ok(!indices(bootMsrs(vcpuCpuid(without, options))).includes(0x2ff));
});

Deno.test("an MSR that the host refuses is skipped with the reason, and those behind it are set", () => {
  const vcpu = new FakeVcpu([0x10, 0x1a0, 0xc001_0015]);
  const skipped = setBootMsrs(vcpu, amd);
  assert.deepEqual(skipped.map(({ name }) => name).sort(), [
    "HWCR",
    "IA32_MISC_ENABLE",
    "IA32_TIME_STAMP_COUNTER",
  ]);
  assert.ok(skipped.every(({ because }) => because.length > 20));
  assert.equal(vcpu.msrs.get(0x2ff), 0x806n);
});

Deno.test("an MSR that the guest needs is not skipped", () => {
  assert.throws(() => setBootMsrs(new FakeVcpu([0xc000_0082]), amd), /MSR 0xc0000082/);
  assert.throws(() => setBootMsrs(new FakeVcpu([0x2ff]), intel), MsrError);
});

Deno.test("LINT0 takes the 8259s' output on the boot processor alone, LINT1 NMIs everywhere", () => {
  const regs = new Uint8Array(0x400).fill(0xee);
  const view = new DataView(regs.buffer);
  setLocalInterrupts(regs, true);
  assert.deepEqual([view.getUint32(0x350, true), view.getUint32(0x360, true)], [0x700, 0x400]);
  setLocalInterrupts(regs, false);
  assert.deepEqual([view.getUint32(0x350, true), view.getUint32(0x360, true)], [0x10700, 0x400]);
  assert.ok(
    regs.every((byte, i) =>
      (i >= 0x350 && i < 0x354) || (i >= 0x360 && i < 0x364) || byte === 0xee
    ),
  );
});

Deno.test("the reset vector's code fits its paragraph", () => {
  const power = { sleepControl: 0x600, sleepStatus: 0x601, reset: 0x602, resetValue: 6 };
  assert.ok(resetVector(power).length <= 16);
});
