/**
 * PCI: a host bridge with one bus, and what a function on it is made of.
 * @module
 */
export type { MessageRange, PciFunctionSpec } from "./function.ts";
export {
  MAX_PCI_FUNCTIONS,
  pciDeviceNumber,
  pciHost,
  type PciHostOptions,
  type PciHostSpec,
} from "./host.ts";
