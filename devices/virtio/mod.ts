/**
 * Virtio devices: what a kind is made of, and what runs one.
 * @module
 */
export * from "./features.ts";
export * from "./module.ts";
export * from "./shared.ts";
export * from "./slot.ts";
