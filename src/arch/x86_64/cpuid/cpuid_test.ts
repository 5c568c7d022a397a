import assert from "node:assert/strict";
import fc from "fast-check";
import type { KvmCpuidEntry2 } from "../../../kvm/mod.ts";
import { BootSetupError } from "../errors.ts";
import { ratio } from "./hypervisor.ts";
import {
  apicIds,
  type CpuidTable,
  type CpuTopology,
  Features,
  hasFeature,
  physicalAddressBits,
  processorSignature,
  vcpuCpuid,
} from "./mod.ts";
import { AMD, INTEL } from "./testing.ts";

const HOSTS = { AMD, INTEL };
const TSC_KHZ = 2_595_124;

function cpuid(
  supported: readonly KvmCpuidEntry2[],
  topology: CpuTopology,
  index = 0,
  more: { tscKhz?: number; nested?: boolean; tscDeadlineTimer?: boolean } = {},
): CpuidTable {
  return vcpuCpuid(supported, {
    topology,
    index,
    tscKhz: TSC_KHZ,
    tscDeadlineTimer: true,
    ...more,
  });
}

const topologies = fc.record({
  cores: fc.integer({ min: 1, max: 300 }),
  threadsPerCore: fc.constantFrom(1, 2, 3, 4),
}).map(({ cores, threadsPerCore }) => ({ count: cores * threadsPerCore, threadsPerCore }));

for (const [host, supported] of Object.entries(HOSTS)) {
  Deno.test(`${host}: the leaves agree on each processor's APIC id, core and package`, () => {
    const pick = fc.record({ topology: topologies, seed: fc.nat() });
    fc.assert(
      fc.property(pick, ({ topology, seed }) => {
        const ids = apicIds(topology);
        assert.equal(new Set(ids).size, topology.count, "each id is given once");
        const index = seed % topology.count;
        const id = ids[index];
        const table = cpuid(supported, topology, index);
        assert.equal(table.require(1).ebx >>> 24, id & 0xff);
        const [threads, cores, end, ...rest] = table.subleaves(0xb);
        assert.equal(rest.length, 0);
        assert.deepEqual([threads.ecx, cores.ecx, end.ecx], [0x100, 0x201, 2], "SMT, core, end");
        assert.deepEqual([threads.edx, cores.edx, end.edx], [id, id, id]);
        assert.deepEqual([threads.ebx, cores.ebx], [topology.threadsPerCore, topology.count]);
        // Of all processors, exactly those of one core share the bits above the thread's.
        const mates = ids.filter((other) => other >> threads.eax === id >> threads.eax);
        assert.equal(mates.length, topology.threadsPerCore);
        assert.ok(ids.every((other) => other >> cores.eax === 0), "one package");
        assert.equal(hasFeature(table, Features.HTT), topology.count > 1);
      }),
      { numRuns: 60 },
    );
  });

  Deno.test(`${host}: flags mirror the machine, not the host`, () => {
    const table = cpuid(supported, { count: 4 });
    assert.ok(hasFeature(table, Features.HYPERVISOR));
    assert.ok(hasFeature(table, Features.X2APIC));
    assert.ok(hasFeature(table, Features.TSC_DEADLINE));
    for (const feature of ["OSXSAVE", "OSPKE", "MONITOR", "VMX", "SVM", "SGX", "SGX_LC"] as const) {
      assert.ok(!hasFeature(table, Features[feature]), feature);
    }
    for (const leaf of [0x5, 0x12, 0x8000_000a, 0x8000_001f]) {
      assert.equal(table.find(leaf), undefined);
    }
    const without = cpuid(supported, { count: 4 }, 0, { tscDeadlineTimer: false });
    assert.ok(!hasFeature(without, Features.TSC_DEADLINE));
    assert.equal(table.require(1).ebx & 0xff00, 0x800, "CLFLUSH size stays");
  });

  Deno.test(`${host}: the KVM leaves carry the signature, KVM's features and the frequencies`, () => {
    const table = cpuid(supported, { count: 1 });
    const { eax, ebx, ecx, edx } = table.require(0x4000_0000);
    const signature = new TextDecoder().decode(new Uint32Array([ebx, ecx, edx]));
    assert.deepEqual([eax, signature], [0x4000_0010, "KVMKVMKVM\0\0\0"]);
    assert.equal(table.require(0x4000_0001).eax, 0x0100_7efb);
    assert.deepEqual([table.require(0x4000_0010).eax, table.require(0x4000_0010).ebx], [
      TSC_KHZ,
      1_000_000,
    ]);
  });

  Deno.test(`${host}: no frequency is told that KVM does not know or that changes`, () => {
    const unknown = cpuid(supported, { count: 1 }, 0, { tscKhz: undefined });
    assert.equal(unknown.require(0x4000_0000).eax, 0x4000_0001);
    assert.equal(unknown.find(0x4000_0010), undefined);
    const changing = supported.map((e) => e.function === 0x8000_0007 ? { ...e, edx: 0 } : e);
    assert.equal(cpuid(changing, { count: 1 }).find(0x4000_0010), undefined);
  });

  Deno.test(`${host}: what KVM said is not changed, and what is not ours is passed on`, () => {
    const before = structuredClone(supported);
    const table = cpuid(supported, { count: 3 }, 2);
    assert.deepEqual(supported, before);
    const xsave = supported.filter((e) => e.function === 0xd);
    assert.deepEqual(table.entries.filter((e) => e.function === 0xd), xsave);
    const keys = table.entries.map((e) => `${e.function}.${e.index}`);
    assert.equal(new Set(keys).size, keys.length, "no leaf comes twice");
  });
}

Deno.test("a guest that may run guests keeps the host's virtualization", () => {
  const amd = cpuid(AMD, { count: 1 }, 0, { nested: true });
  assert.ok(hasFeature(amd, Features.SVM) && amd.find(0x8000_000a) !== undefined);
  assert.ok(hasFeature(cpuid(INTEL, { count: 1 }, 0, { nested: true }), Features.VMX));
});

Deno.test("AMD: sizes, the node and the caches count the machine's processors", () => {
  const table = cpuid(AMD, { count: 6, threadsPerCore: 2 }, 5);
  assert.equal(table.require(0x8000_0008).ecx, 5 | (3 << 12), "NC and the id's size");
  assert.deepEqual(table.find(0x8000_001e), {
    function: 0x8000_001e,
    index: 0,
    flags: 0,
    eax: 5,
    ebx: 0x102,
    ecx: 0,
    edx: 0,
  });
  assert.equal((table.require(1).ebx >> 16) & 0xff, 6, "LogicalProcessorCount");
  assert.ok(table.hasBit(0x8000_0001, 0, "ecx", 1), "CMP_LEGACY");
  const sharing = table.subleaves(0x8000_001d).map(({ eax }) => (eax >> 14) & 0xfff);
  assert.deepEqual(sharing, [1, 1, 1, 5, 0]);
  const alone = cpuid(AMD, { count: 1 });
  assert.ok(!alone.hasBit(0x8000_0001, 0, "ecx", 1));
  assert.equal(alone.require(0x8000_0008).ecx, 0);
});

Deno.test("AMD: the L1 leaf is filled in from the cache topology, unless KVM knows better", () => {
  const l1 = cpuid(AMD, { count: 1 }).require(0x8000_0005);
  assert.deepEqual([l1.ecx, l1.edx], [0x2008_0140, 0x2008_0140], "32 KiB, 8 ways, 64-byte lines");
  const known = AMD.map((e) => e.function === 0x8000_0005 ? { ...e, ecx: 7, edx: 8 } : e);
  const kept = cpuid(known, { count: 1 }).require(0x8000_0005);
  assert.deepEqual([kept.ecx, kept.edx], [7, 8]);
});

Deno.test("AMD: the newest topology leaf, which would describe the host, is gone", () => {
  const entry = { function: 0x8000_0026, index: 0, flags: 1, eax: 1, ebx: 2, ecx: 0x100, edx: 9 };
  assert.equal(cpuid([...AMD, entry], { count: 1 }).find(0x8000_0026), undefined);
});

Deno.test("Intel: the caches and the v2 topology leaf count the machine's processors", () => {
  const table = cpuid(INTEL, { count: 6, threadsPerCore: 2 }, 3);
  const caches = table.subleaves(4);
  assert.deepEqual(caches.map(({ eax }) => (eax >> 14) & 0xfff), [1, 1, 1, 7, 0]);
  assert.deepEqual(caches.map(({ eax }) => eax >>> 26), [3, 3, 3, 3, 0]);
  assert.equal((table.require(1).ebx >> 16) & 0xff, 8, "ids, not processors");
  const strip = ({ eax, ebx, ecx, edx }: Record<"eax" | "ebx" | "ecx" | "edx", number>) => //
  [eax, ebx, ecx, edx];
  assert.deepEqual(table.subleaves(0x1f).map(strip), table.subleaves(0xb).map(strip));
  assert.equal(table.find(0x8000_001e), undefined);
});

Deno.test("Intel: tiles are offered only with the permission for their state", () => {
  const flags = ["AMX_BF16", "AMX_TILE", "AMX_INT8", "AMX_FP16", "AMX_COMPLEX"] as const;
  const without = cpuid(INTEL, { count: 1 });
  for (const flag of flags) assert.ok(!hasFeature(without, Features[flag]), flag);
  assert.equal(without.find(0x1d), undefined);
  const permitted = INTEL.map((e) => e.function === 0xd ? { ...e, eax: e.eax | 0x6_0000 } : e);
  const table = cpuid(permitted, { count: 1 });
  for (const flag of flags) assert.ok(hasFeature(table, Features[flag]), flag);
  assert.notEqual(table.find(0x1d), undefined);
});

Deno.test("Intel: a kernel computes the TSC's frequency from leaf 0x15, in 32 bits, nearly exactly", () => {
  fc.assert(fc.property(fc.integer({ min: 1_000_000, max: 4_200_000 }), (tscKhz) => {
    const { eax, ebx, ecx } = cpuid(INTEL, { count: 1 }, 0, { tscKhz }).require(0x15);
    assert.equal(ecx, 1_000_000_000, "the APIC timer's clock");
    const product = (ecx / 1000) * ebx;
    assert.ok(product < 2 ** 32, "no overflow");
    assert.ok(Math.abs(product / eax - tscKhz) / tscKhz < 120e-6);
  }));
  const { eax, ebx } = cpuid(INTEL, { count: 1 }).require(0x16);
  assert.deepEqual([eax, ebx], [2595, 2595]);
  assert.equal(cpuid(AMD, { count: 1 }).find(0x15), undefined);
});

Deno.test("fractions are exact where they can be", () => {
  assert.deepEqual(ratio(2_600_000, 1_000_000, 4294), [13, 5]);
  assert.deepEqual(ratio(3, 1, 4294), [3, 1]);
  const [numerator, denominator] = ratio(TSC_KHZ, 1_000_000, 4294);
  assert.ok(Math.abs(numerator / denominator / (TSC_KHZ / 1e6) - 1) < 1e-6);
});

Deno.test("a machine whose processors do not add up is refused", () => {
  for (const topology of [{ count: 0 }, { count: 1.5 }, { count: 3, threadsPerCore: 2 }]) {
    assert.throws(() => cpuid(AMD, topology), BootSetupError);
  }
  assert.throws(() => cpuid(AMD, { count: 2 }, 2), /has none numbered 2/);
});

Deno.test("a KVM that lists too little is refused with the leaf", () => {
  const without = (leaf: number) => AMD.filter((e) => e.function !== leaf);
  assert.throws(() => cpuid(without(1), { count: 1 }), /CPUID leaf 0x1/);
  assert.throws(() => cpuid(without(0x4000_0001), { count: 1 }), /CPUID leaf 0x40000001/);
});

Deno.test("the physical address width and the processors' signature come from KVM's list", () => {
  assert.equal(physicalAddressBits(AMD), 48);
  assert.equal(physicalAddressBits(INTEL), 52, "what the hypervisor can map wins");
  assert.equal(physicalAddressBits(AMD.filter((e) => e.function !== 0x8000_0008)), 36);
  assert.deepEqual(processorSignature(AMD), { signature: 0x00a10f11, features: 0x178bfbff });
});
