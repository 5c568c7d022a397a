/**
 * Virtio devices: what a kind is made of, and what runs one.
 * @module
 */
export * from "./features.ts";
export * from "./interrupts.ts";
export * from "./module.ts";
export * from "./queue/mod.ts";
export * from "./runner.ts";
export * from "./shared.ts";
export * from "./slot.ts";
export * from "./transport/mmio.ts";
export { createVirtioPci, type VirtioPciSpec } from "./transport/pci.ts";
