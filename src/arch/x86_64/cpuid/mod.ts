/**
 * CPUID: from what KVM supports to what one processor of the machine answers.
 *
 * @module
 */
import type { KvmCpuidEntry2 } from "../../../kvm/mod.ts";
import type { ProcessorSignature } from "../mp_table.ts";
import { setLegacyCaches } from "./caches.ts";
import { type FeatureOptions, setFeatures } from "./features.ts";
import { setHypervisorLeaves } from "./hypervisor.ts";
import { CpuidTable } from "./table.ts";
import { type CpuTopology, setTopology } from "./topology.ts";

export { type Feature, Features, hasFeature } from "./features.ts";
export { type CpuidRegister, type CpuidRegisters, CpuidTable, type CpuVendor } from "./table.ts";
export { apicIds, type CpuTopology } from "./topology.ts";

/** What a processor's answers depend on. */
export interface VcpuCpuidOptions extends FeatureOptions {
  readonly topology: CpuTopology;
  /** Which of the topology's processors this is, from 0. */
  readonly index: number;
  /** KVM_GET_TSC_KHZ of the vCPU, where KVM knows. */
  readonly tscKhz?: number;
}

/**
 * The answers of one processor.
 *
 * @param supported KVM_GET_SUPPORTED_CPUID
 * @throws {BootSetupError} a topology that does not add up, or a KVM that lists too little
 */
export function vcpuCpuid(
  supported: readonly KvmCpuidEntry2[],
  options: VcpuCpuidOptions,
): CpuidTable {
  const table = new CpuidTable(supported);
  setFeatures(table, options);
  setLegacyCaches(table);
  setTopology(table, options.topology, options.index);
  setHypervisorLeaves(table, options.tscKhz);
  return table;
}

/** How many bits a guest's physical addresses have: what bounds its RAM. */
export function physicalAddressBits(supported: readonly KvmCpuidEntry2[]): number {
  const sizes = new CpuidTable(supported).find(0x8000_0008);
  // Processors without the leaf have 36 (Intel SDM volume 3, 4.1.4).
  if (sizes === undefined || sizes.eax === 0) return 36;
  // EAX[23:16] is what the hypervisor can map, where that is less.
  const guest = (sizes.eax >> 16) & 0xff;
  return guest !== 0 ? guest : sizes.eax & 0xff;
}

/** What the MP table says of the processors. */
export function processorSignature(supported: readonly KvmCpuidEntry2[]): ProcessorSignature {
  const { eax, edx } = new CpuidTable(supported).require(1);
  return { signature: eax, features: edx };
}
