/**
 * Interrupt lines.
 * @module
 */
import type { IrqLine } from "../bus/device.ts";
import { signalEventFd } from "../ffi/eventfd.ts";

/** An interrupt line behind an irqfd. */
export function irqLine(fd: number): IrqLine {
  return { trigger: () => signalEventFd(fd) };
}
