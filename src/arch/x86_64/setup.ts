/**
 * The steps from a loaded kernel to processors that are about to run it.
 *
 * @module
 */
import type { KvmCpuidEntry2, Vcpu } from "../../kvm/mod.ts";
import type { GuestMemory } from "../../memory/mod.ts";
import {
  type AcpiDevice,
  buildAcpiTables,
  type PciHostBridge,
  type PowerRegisters,
} from "./acpi/mod.ts";
import type { BootImage } from "./boot_image.ts";
import { type BootState, bootState } from "./boot_registers.ts";
import {
  apicIds,
  type CpuTopology,
  processorSignature,
  vcpuCpuid,
  type VcpuCpuidOptions,
} from "./cpuid/mod.ts";
import { e820Map } from "./e820.ts";
import { setBootFpu } from "./fpu.ts";
import { configureLapic } from "./lapic.ts";
import {
  ACPI_TABLES,
  checkFits,
  COMMAND_LINE,
  GDT,
  MP_TABLE,
  type NamedRange,
  PAGE_TABLES,
  PVH_START_INFO,
  RESET_VECTOR,
  ZERO_PAGE,
} from "./memory_map.ts";
import { buildMpTable } from "./mp_table.ts";
import { bootMsrs, type MsrVcpu, setBootMsrs, type SkippedMsr } from "./msrs.ts";
import { identityMap } from "./paging.ts";
import { buildPvhStartInfo } from "./pvh.ts";
import { resetVector } from "./reset_vector.ts";
import { buildZeroPage } from "./zero_page.ts";

/** The machine as its guest is told of it. */
export interface BootConfiguration {
  readonly image: BootImage;
  readonly topology: CpuTopology;
  /** KVM_GET_SUPPORTED_CPUID. */
  readonly supportedCpuid: readonly KvmCpuidEntry2[];
  /** The devices that a kernel can't find by itself. */
  readonly devices: readonly AcpiDevice[];
  /** The PCI host bridge, where there is one. */
  readonly pci?: PciHostBridge;
  readonly power: PowerRegisters;
  /** The CMOS index of the RTC's century byte, where it has one. */
  readonly rtcCentury?: number;
  /** What else is neither RAM nor free for devices, beside the PCI ECAM. */
  readonly reserved?: readonly { readonly base: number; readonly size: number }[];
}

/**
 * Writes all that the guest finds in its memory beside the kernel: firmware tables and what its boot protocol
 * passes.
 *
 * @returns the registers of the boot processor
 * @throws {BootSetupError} what the kernel can't be entered or told with
 */
export function configureBoot(memory: GuestMemory, configuration: BootConfiguration): BootState {
  const state = bootState(configuration.image);
  const pieces = [
    ...firmwareTables(configuration),
    ...protocolData(memory, configuration),
    { place: GDT, bytes: state.gdt },
  ];
  // All is made and measured before anything is written: a refusal leaves the memory as it was.
  for (const { place, bytes } of pieces) checkFits(bytes.length, place);
  for (const { place, bytes } of pieces) memory.write(place.base, bytes);
  return state;
}

/** Something for the guest's memory, and where it goes. */
interface Piece {
  readonly place: NamedRange;
  readonly bytes: Uint8Array;
}

/** The ACPI tables, the MP table and the reset vector: what a PC's firmware leaves. */
function firmwareTables(configuration: BootConfiguration): Piece[] {
  const { topology, devices, pci, power, rtcCentury, supportedCpuid } = configuration;
  const ids = apicIds(topology);
  const acpi = buildAcpiTables(ACPI_TABLES.base, {
    apicIds: ids,
    devices,
    pci,
    power,
    rtcCentury,
  });
  const processor = processorSignature(supportedCpuid);
  const mpTable = buildMpTable(MP_TABLE.base, ids, processor, pci && { pinGsi: pci.pinGsi });
  return [
    { place: ACPI_TABLES, bytes: acpi },
    { place: MP_TABLE, bytes: mpTable },
    { place: RESET_VECTOR, bytes: resetVector(power) },
  ];
}

/** What the kernel's boot protocol passes in memory, and the page tables of those that begin with paging on. */
function protocolData(
  memory: GuestMemory,
  { image, reserved = [], pci }: BootConfiguration,
): Piece[] {
  const ecam = pci === undefined ? [] : [pci.ecam];
  const memoryMap = e820Map(memory.regions, [...ecam, ...reserved]);
  const rsdp = ACPI_TABLES.base;
  const pageTables = () => ({ place: PAGE_TABLES, bytes: identityMap(memory.end) });
  const commandLine = {
    place: COMMAND_LINE,
    bytes: new TextEncoder().encode((image.commandLine ?? "") + "\0"),
  };
  switch (image.protocol) {
    case "linux64":
    case "linux32": {
      const zeroPage = { place: ZERO_PAGE, bytes: buildZeroPage({ image, memoryMap, rsdp }) };
      const paged = image.protocol === "linux64";
      return [zeroPage, commandLine, ...(paged ? [pageTables()] : [])];
    }
    case "pvh": {
      const bytes = buildPvhStartInfo(image, memoryMap, rsdp);
      return [{ place: PVH_START_INFO, bytes }, commandLine];
    }
    case "flat64":
      return [pageTables()];
    case "multiboot":
    case "flat32":
    case "flat16":
      return [];
  }
}

/** What is asked of a vCPU in order to set it up. */
export type BootVcpu =
  & MsrVcpu
  & Pick<
    Vcpu,
    "getLapic" | "getSregs" | "setCpuid2" | "setFpu" | "setLapic" | "setRegs" | "setSregs"
  >;

/** How a vCPU is set up. */
export interface VcpuConfiguration extends VcpuCpuidOptions {
  /** KVM_GET_SUPPORTED_CPUID. */
  readonly supportedCpuid: readonly KvmCpuidEntry2[];
  /** For the boot processor: what {@link configureBoot} gave. The others wait for INIT and SIPI. */
  readonly bootState?: BootState;
}

/**
 * Sets up a vCPU, before its first KVM_RUN.
 *
 * @returns the MSRs that this host refused and that the guest can do without, for the log
 * @throws {MsrError} an MSR that the host refused and the guest needs
 * @throws {BootSetupError} a topology that does not add up
 * @throws {SysError}
 */
export function configureVcpu(vcpu: BootVcpu, configuration: VcpuConfiguration): SkippedMsr[] {
  const { bootState, supportedCpuid, index } = configuration;
  // CPUID comes first: KVM judges control registers and MSRs by it.
  const cpuid = vcpuCpuid(supportedCpuid, configuration);
  vcpu.setCpuid2(cpuid.entries);
  const skipped = setBootMsrs(vcpu, bootMsrs(cpuid));
  setBootFpu(vcpu);
  configureLapic(vcpu, index === 0);
  if (bootState !== undefined) setBootState(vcpu, bootState);
  return skipped;
}

function setBootState(vcpu: BootVcpu, { regs, sregs }: BootState): void {
  const { data, ...special } = sregs;
  // The APIC's base, CR2, CR8 and the LDT stay what KVM's reset made them.
  const segments = { ds: data, es: data, fs: data, gs: data, ss: data };
  vcpu.setSregs({ ...vcpu.getSregs(), ...special, ...segments });
  vcpu.setRegs(regs);
}
