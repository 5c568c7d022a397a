/**
 * Devices: what one is made of, the list of all, and the ring that carries a console.
 *
 * ```ts
 * import { Bus, PIO_SPACE_SIZE } from "denovisor/bus";
 * import { ByteRing, serial } from "denovisor/devices";
 * import { GuestMemory } from "denovisor/memory";
 *
 * const spec = serial.create({ base: 0x3f8, irqFd: -1 });
 * const { ranges, lock } = serial.attach(spec, {
 *   memory: GuestMemory.forTest(4096),
 *   irq: () => ({ trigger() {} }),
 *   requests: { exit() {}, reset() {}, powerOff() {} },
 *   wiring: { bindDoorbell() {}, unbindDoorbell() {}, routeMsi() {} },
 *   interrupted: () => false,
 * });
 * const pio = new Bus("pio", PIO_SPACE_SIZE);
 * for (const { base, size, device } of ranges) pio.insert(base, size, device, lock);
 *
 * pio.write(0x3f8, 1, 0x21);
 * if (new ByteRing(spec.output).read() !== 0x21) throw new Error("the guest has printed '!'");
 * ```
 *
 * @module
 */

export * from "./bus_registry.ts";
export * from "./byte_ring.ts";
export * from "./device.ts";
export * from "./faults/mod.ts";
export * from "./legacy/mod.ts";
export * from "./limits/mod.ts";
export * from "./metrics.ts";
export * from "./nearest.ts";
export * from "./options.ts";
export * from "./pci/mod.ts";
export * from "./platform_registry.ts";
export * from "./read_options.ts";
export * from "./registry.ts";
export * from "./state.ts";
export * from "./user/mod.ts";
export * from "./virtio/block/fault_rules.ts";
export * from "./virtio/entropy/faults.ts";
export * from "./virtio/mod.ts";
export * from "./virtio/net/fault_rules.ts";
