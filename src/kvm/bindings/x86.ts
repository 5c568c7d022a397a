/**
 * The kernel's KVM interface on x86: what `mod.ts` does not have.
 * @module
 */
export * from "./x86_cpu.ts";
export * from "./x86_events.ts";
export * from "./x86_ioctls.ts";
export * from "./x86_irqchip.ts";
export * from "./x86_regs.ts";
export * from "./x86_vm.ts";
