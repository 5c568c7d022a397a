/**
 * What the bus asks of a device, and what a device is given to raise its interrupt.
 *
 * @module
 */

/** The width of one access that reaches a device, in bytes. */
export type AccessSize = 1 | 2 | 4;

/**
 * A device's registers as the guest sees them, in port or memory space.
 *
 * The bus guarantees that `offset` is an integer, that `offset + size` lies inside the range the
 * device was inserted with, and that the device's lock is held during the call. It does not
 * guarantee that `offset` is aligned: the guest chooses it. A device never throws because of what
 * the guest did; an access it does not know reads as its documentation says (usually 0 or all ones)
 * and writes nothing.
 */
export interface BusDevice {
  /**
   * Reads `size` bytes at `offset` from the start of the device's range, little-endian.
   *
   * @returns An unsigned number of `size` bytes.
   */
  read(offset: number, size: AccessSize): number;

  /**
   * Writes the low `size` bytes of `value`, little-endian, at `offset` from the start of the range.
   *
   * @param value An unsigned number of `size` bytes.
   */
  write(offset: number, size: AccessSize, value: number): void;
}

/** One edge-triggered interrupt line into the guest's interrupt controller. */
export interface IrqLine {
  /** Raises one rising edge on the line. In production this is one write to an irqfd. */
  trigger(): void;
}
