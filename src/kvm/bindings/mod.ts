/**
 * The kernel's KVM interface in numbers and layouts, for all architectures; x86's own are in `x86.ts`.
 * A test compares every one of them with the kernel's headers.
 * @module
 */
export * from "./capabilities.ts";
export * from "./device.ts";
export * from "./exit.ts";
export * from "./ioctls.ts";
export * from "./irq.ts";
export * from "./memory.ts";
export * from "./run.ts";
export * from "./vcpu.ts";
