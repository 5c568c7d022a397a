/**
 * x86-64: all that a machine must know of its processor architecture, in the order in which a machine calls it.
 *
 * 1. {@linkcode ramRanges}: where RAM is; {@linkcode maximumRam} and {@linkcode physicalAddressBits} bound it.
 * 2. {@linkcode createInterruptController}: before any vCPU, whose ids are {@linkcode apicIds}.
 * 3. {@linkcode reservedRanges}: where the loader must put nothing.
 * 4. {@linkcode configureBoot}: firmware tables and boot protocol in memory; gives the boot processor's state.
 * 5. {@linkcode configureVcpu}: CPUID, MSRs, FPU, local APIC and, on the boot processor, that state.
 *
 * The first processor is the boot processor. All functions but those that take a `Vm` or `Vcpu` are pure or
 * write to guest memory only.
 *
 * @module
 */
export {
  type AcpiDevice,
  aml,
  EDGE,
  HardwareId,
  POWER_REGISTERS,
  type PowerRegisters,
  type ResourceRange,
  resources,
  SLEEP_CONTROL_S5,
} from "./acpi/mod.ts";
export type { BootImage, LoadedRange } from "./boot_image.ts";
export type { BootRegisters, BootSpecialRegisters, BootState } from "./boot_registers.ts";
export { apicIds, type CpuTopology, physicalAddressBits } from "./cpuid/mod.ts";
export { type E820Entry, e820Map, E820Type } from "./e820.ts";
export { BootSetupError } from "./errors.ts";
export { createInterruptController, type InterruptVm } from "./interrupt_controller.ts";
export {
  type BootProtocol,
  DEVICE_HOLE,
  HIGH_MEMORY_START,
  HIGH_RAM_START,
  IOAPIC,
  LAPIC,
  maximumRam,
  MINIMUM_RAM,
  type NamedRange,
  PCI_ECAM,
  PCI_MMIO32,
  ramRanges,
  reservedRanges,
  VIRTIO_MMIO,
  VIRTIO_MMIO_WINDOW,
} from "./memory_map.ts";
export type { SkippedMsr } from "./msrs.ts";
export {
  type BootConfiguration,
  type BootVcpu,
  configureBoot,
  configureVcpu,
  type VcpuConfiguration,
} from "./setup.ts";
