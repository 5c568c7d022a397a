/**
 * AMD's older cache leaf, where KVM leaves it empty.
 *
 * Source: AMD64 APM volume 3, appendix E, leaves 0x80000005 and 0x8000001d.
 *
 * @module
 */
import type { CpuidRegisters, CpuidTable } from "./table.ts";

const LEAF_L1 = 0x8000_0005;
const LEAF_CACHES = 0x8000_001d;
const DATA = 1;
const INSTRUCTION = 2;

/**
 * Fills in the L1 leaf from the cache topology leaf.
 *
 * Kernels before 6.4 return zeros for it on AMD hosts, and a guest's Linux then says that its processor has no
 * cache. The TLBs, which the leaf also tells of, stay at zero: nothing else knows them.
 */
export function setLegacyCaches(table: CpuidTable): void {
  if (table.vendor !== "amd" || table.lastExtended < LEAF_L1) return;
  const known = table.find(LEAF_L1);
  if (known !== undefined && (known.ecx | known.edx) !== 0) return;
  const level1 = table.subleaves(LEAF_CACHES).filter(({ eax }) => ((eax >> 5) & 7) === 1);
  const data = level1.find(({ eax }) => (eax & 0x1f) === DATA);
  const instruction = level1.find(({ eax }) => (eax & 0x1f) === INSTRUCTION);
  if (data === undefined || instruction === undefined) return;
  table.set(LEAF_L1, { eax: 0, ebx: 0, ecx: legacyL1(data), edx: legacyL1(instruction) });
}

/** Size in KiB, associativity, lines per tag and line size: a byte each. */
function legacyL1({ ebx, ecx }: CpuidRegisters): number {
  const ways = (ebx >>> 22) + 1;
  const partitions = ((ebx >>> 12) & 0x3ff) + 1;
  const lineSize = (ebx & 0xfff) + 1;
  const sets = ecx + 1;
  const kib = (ways * partitions * lineSize * sets) / 1024;
  return ((kib << 24) | (ways << 16) | (partitions << 8) | lineSize) >>> 0;
}
