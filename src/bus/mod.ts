/**
 * The bus: address ranges to devices, for port I/O and memory-mapped I/O.
 *
 * ```ts
 * import { Bus, type BusDevice, PIO_SPACE_SIZE } from "./mod.ts";
 *
 * const scratch: BusDevice & { value: number } = {
 *   value: 0,
 *   read: () => scratch.value,
 *   write: (_offset, _size, value) => void (scratch.value = value),
 * };
 * const pio = new Bus("pio", PIO_SPACE_SIZE);
 * pio.insert(0x80, 1, scratch);
 * pio.write(0x80, 1, 0xa5);
 * if (pio.read(0x80, 1) !== 0xa5) throw new Error("the device keeps what was written");
 * if (pio.read(0x81, 1) !== 0xff) throw new Error("nobody is there");
 * ```
 *
 * @module
 */

export { Bus, BusRangeError, MMIO_SPACE_SIZE, PIO_SPACE_SIZE } from "./bus.ts";
export type { AccessSize, BusDevice, IrqLine } from "./device.ts";
export { DeviceLock, DeviceLockError } from "./lock.ts";
export { waitForChange } from "./wait.ts";
