/**
 * Which processor this is, and how the processors are grouped: APIC ids and the leaves that tell of them.
 *
 * There is one package. Its cores have 1 thread each unless the machine asks for more.
 *
 * Sources: Intel SDM volume 2 (CPUID), volume 3, 9.9 (hierarchical mapping of APIC ids); AMD64 APM volume 3,
 * appendix E.
 *
 * @module
 */
import { BootSetupError } from "../errors.ts";
import { Features } from "./features.ts";
import type { CpuidTable } from "./table.ts";

/** The processors of a machine. */
export interface CpuTopology {
  /** How many there are: threads, not cores. */
  readonly count: number;
  /** How many of them share a core; 1 where this is left out. */
  readonly threadsPerCore?: number;
}

/** A processor's place: the fields of its APIC id. */
interface Placement {
  readonly count: number;
  readonly threadsPerCore: number;
  /** How many bits of an APIC id tell threads apart. */
  readonly threadBits: number;
  /** How many bits of an APIC id tell threads and cores apart. */
  readonly packageBits: number;
}

/** The bits that tell `n` things apart. */
function bitsFor(n: number): number {
  return Math.ceil(Math.log2(n));
}

function placement({ count, threadsPerCore = 1 }: CpuTopology): Placement {
  if (!Number.isInteger(count) || count < 1) {
    throw new BootSetupError(`a machine can't have ${count} processors`);
  }
  if (!Number.isInteger(threadsPerCore) || threadsPerCore < 1 || count % threadsPerCore !== 0) {
    throw new BootSetupError(
      `${count} processors can't be grouped into cores of ${threadsPerCore} threads`,
    );
  }
  const threadBits = bitsFor(threadsPerCore);
  const packageBits = threadBits + bitsFor(count / threadsPerCore);
  return { count, threadsPerCore, threadBits, packageBits };
}

/**
 * The APIC ids of all processors, in their order. KVM takes a vCPU's id as its APIC id, so KVM_CREATE_VCPU needs
 * them too.
 *
 * @throws {BootSetupError} a topology that does not add up
 */
export function apicIds(topology: CpuTopology): number[] {
  const { count, threadsPerCore, threadBits } = placement(topology);
  return Array.from({ length: count }, (_, index) => {
    const core = Math.floor(index / threadsPerCore);
    return core * 2 ** threadBits + index % threadsPerCore;
  });
}

const LEAF_FEATURES = 0x1;
const LEAF_CACHES = 0x4;
const LEAF_TOPOLOGY = 0xb;
const LEAF_TOPOLOGY_V2 = 0x1f;
const LEAF_AMD_FEATURES = 0x8000_0001;
const LEAF_AMD_SIZES = 0x8000_0008;
const LEAF_AMD_CACHES = 0x8000_001d;
const LEAF_AMD_TOPOLOGY = 0x8000_001e;
const LEAF_AMD_TOPOLOGY_V2 = 0x8000_0026;

/** Leaf 0x80000001 ECX: HTT does not mean that they share a core. */
const CMP_LEGACY = 1;

/**
 * Tells processor `index` who it is and who its neighbours are.
 *
 * @throws {BootSetupError} a topology that does not add up, or a processor that it does not have
 */
export function setTopology(table: CpuidTable, topology: CpuTopology, index: number): void {
  const place = placement(topology);
  const id = apicIds(topology).at(index);
  if (id === undefined || index < 0) {
    throw new BootSetupError(`a machine with ${place.count} processors has none numbered ${index}`);
  }
  setFeatureLeaf(table, place, id);
  setTopologyLeaf(table, LEAF_TOPOLOGY, place, id);
  setTopologyLeaf(table, LEAF_TOPOLOGY_V2, place, id);
  if (table.vendor === "amd") setAmdLeaves(table, place, id);
  else setIntelCaches(table, place);
}

function setFeatureLeaf(table: CpuidTable, place: Placement, id: number): void {
  // Intel counts ids that the package could have, AMD processors that it has.
  const logical = table.vendor === "amd" ? place.count : 2 ** place.packageBits;
  const leaf = table.require(LEAF_FEATURES);
  const clflush = leaf.ebx & 0xff00;
  leaf.ebx = (clflush | (Math.min(logical, 0xff) << 16) | ((id & 0xff) << 24)) >>> 0;
  // Several logical processors share the package.
  table.setBit(...Features.HTT, place.count > 1);
}

/** Extended topology: a level of threads, a level of cores, and an end. */
function setTopologyLeaf(table: CpuidTable, leaf: number, place: Placement, id: number): void {
  if (table.lastBasic < leaf) return;
  const INVALID = 0, SMT = 1, CORE = 2;
  const level = (index: number, type: number, shift: number, processors: number) => ({
    eax: shift,
    ebx: Math.min(processors, 0xffff),
    ecx: index | (type << 8),
    edx: id,
  });
  table.setSubleaves(leaf, [
    level(0, SMT, place.threadBits, place.threadsPerCore),
    level(1, CORE, place.packageBits, place.count),
    level(2, INVALID, 0, 0),
  ]);
}

/** Deterministic cache parameters: who shares a cache, and how many cores a package has. */
function setIntelCaches(table: CpuidTable, { threadBits, packageBits }: Placement): void {
  for (const cache of table.subleaves(LEAF_CACHES)) {
    const type = cache.eax & 0x1f;
    if (type === 0) continue;
    const level = (cache.eax >> 5) & 7;
    const sharing = Math.min(2 ** (level >= 3 ? packageBits : threadBits) - 1, 0xfff);
    const cores = Math.min(2 ** (packageBits - threadBits) - 1, 0x3f);
    cache.eax = ((cache.eax & 0x3fff) | (sharing << 14) | (cores << 26)) >>> 0;
  }
}

function setAmdLeaves(table: CpuidTable, place: Placement, id: number): void {
  const { count, threadsPerCore, threadBits, packageBits } = place;
  table.setBit(LEAF_AMD_FEATURES, 0, "ecx", CMP_LEGACY, count > 1);
  const sizes = table.find(LEAF_AMD_SIZES);
  if (sizes !== undefined) sizes.ecx = Math.min(count - 1, 0xff) | (packageBits << 12);
  for (const cache of table.subleaves(LEAF_AMD_CACHES)) {
    const type = cache.eax & 0x1f;
    if (type === 0) continue;
    const level = (cache.eax >> 5) & 7;
    const sharing = Math.min((level >= 3 ? count : threadsPerCore) - 1, 0xfff);
    cache.eax = ((cache.eax & ~(0xfff << 14)) | (sharing << 14)) >>> 0;
  }
  if (table.lastExtended >= LEAF_AMD_TOPOLOGY) {
    const core = (id >> threadBits) & 0xff;
    // One node of one package.
    table.set(LEAF_AMD_TOPOLOGY, {
      eax: id,
      ebx: core | ((threadsPerCore - 1) << 8),
      ecx: 0,
      edx: 0,
    });
  }
  // It would describe the host's; without it 0xb holds.
  table.clear(LEAF_AMD_TOPOLOGY_V2);
}
