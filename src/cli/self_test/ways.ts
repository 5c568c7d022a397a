/**
 * The ways in which a guest finds its virtio devices.
 * @module
 */
import { architecture } from "../../arch/mod.ts";
import type { MachineConfig } from "../../machine/mod.ts";

/** How a program finds its devices: a transport, and what it's told of it on its command line. */
export interface Way {
  readonly name: string;
  readonly transport: NonNullable<MachineConfig["transport"]>;
  readonly parameters: string;
}

const { virtioMmioPlaces: [first, second], virtioMmioPlaces, pci } = architecture;

/** By memory-mapped registers. */
export const MMIO: Way = {
  name: "virtio-mmio",
  transport: "mmio",
  parameters: `mmio=${first.base},${second.base - first.base},${virtioMmioPlaces.length}`,
};

/** On a PCI bus whose configuration space is memory (PCI Firmware Specification 3.3, 4.1). */
export const PCI: Way = {
  name: "PCI, found in ECAM",
  transport: "pci",
  parameters: `ecam=${pci.ecam.base}`,
};

/** On a PCI bus whose configuration space is reached by ports. */
export const PCI_BY_PORTS: Way = {
  name: "PCI, found by ports",
  transport: "pci",
  parameters: `ports=${pci.configPort}`,
};

/** All ways. */
export const WAYS: readonly Way[] = [MMIO, PCI, PCI_BY_PORTS];
