/**
 * Dispatch of port I/O and memory-mapped I/O to devices by address.
 *
 * One `Bus` stands for one address space in one isolate: each vCPU's Worker builds its own from the
 * devices it attached, and the devices' locks are what the Workers share.
 *
 * What the guest controls: the address, the width, the value and the rate of accesses. What bounds
 * it: an access reaches a device only if it lies wholly inside one range; everything else reads as
 * all ones, writes nothing, and is counted. Nothing is allocated for an access.
 *
 * @module
 */

import type { AccessSize, BusDevice } from "./device.ts";
import type { DeviceLock } from "./lock.ts";

/** A range cannot be inserted: it is malformed, or a device is there already. */
export class BusRangeError extends Error {
  override name = "BusRangeError";
}

/** Ports are 16 bits wide: the size of the port I/O space. */
export const PIO_SPACE_SIZE = 0x1_0000;

/** The widest physical address of x86-64 and aarch64 is 52 bits: the size of the MMIO space. */
export const MMIO_SPACE_SIZE = 2 ** 52;

/** One address space: which device answers at which addresses. */
export class Bus {
  /** The name of the address space, for messages. */
  readonly name: string;
  /** The number of addresses in the space. */
  readonly spaceSize: number;

  // Parallel arrays sorted by base: the search touches plain numbers only.
  #bases: number[] = [];
  #ends: number[] = [];
  #devices: BusDevice[] = [];
  #locks: (DeviceLock | undefined)[] = [];
  /** A driver talks to one device many times in a row, so the last hit is tried first. */
  #last = 0;
  #unclaimedReads = 0;
  #unclaimedWrites = 0;

  /**
   * @param name The name of the address space, such as "pio" or "mmio", for messages.
   * @param spaceSize The number of addresses in it.
   */
  constructor(name: string = "mmio", spaceSize: number = MMIO_SPACE_SIZE) {
    this.name = name;
    this.spaceSize = spaceSize;
  }

  /** How many reads no device claimed. */
  get unclaimedReads(): number {
    return this.#unclaimedReads;
  }

  /** How many writes no device claimed. */
  get unclaimedWrites(): number {
    return this.#unclaimedWrites;
  }

  /**
   * Puts a device at `[base, base + size)`.
   *
   * @param lock Is held by the bus around each call of the device.
   * @throws {BusRangeError} If the range is empty, not inside the space, or overlaps another; the
   * message names both ranges.
   */
  insert(base: number, size: number, device: BusDevice, lock?: DeviceLock): void {
    if (
      !Number.isSafeInteger(base) || !Number.isSafeInteger(size) || base < 0 || size < 1 ||
      base + size > this.spaceSize
    ) {
      throw new BusRangeError(
        `${this.name}: a range of ${size} at ${
          hex(base)
        } is not a non-empty range of addresses below ${hex(this.spaceSize)}`,
      );
    }
    const end = base + size;
    let at = 0;
    while (at < this.#bases.length && this.#bases[at] < base) at++;
    for (const near of [at - 1, at]) {
      if (near < 0 || near >= this.#bases.length) continue;
      if (base < this.#ends[near] && this.#bases[near] < end) {
        throw new BusRangeError(
          `${this.name}: ${range(base, end)} overlaps ${
            range(this.#bases[near], this.#ends[near])
          }, which already has a device; give one of them another address`,
        );
      }
    }
    this.#bases.splice(at, 0, base);
    this.#ends.splice(at, 0, end);
    this.#devices.splice(at, 0, device);
    this.#locks.splice(at, 0, lock);
  }

  /**
   * Reads 1, 2 or 4 bytes.
   *
   * @returns An unsigned number of `size` bytes; all ones if no device claims the whole access.
   */
  read(addr: number, size: AccessSize): number {
    const index = this.#find(addr, size);
    if (index < 0) {
      this.#unclaimedReads++;
      return mask(0xffff_ffff, size);
    }
    const lock = this.#locks[index];
    if (lock !== undefined) lock.acquire();
    try {
      return mask(this.#devices[index].read(addr - this.#bases[index], size), size);
    } finally {
      if (lock !== undefined) lock.release();
    }
  }

  /** Writes the low 1, 2 or 4 bytes of `value`; nothing happens if no device claims all of it. */
  write(addr: number, size: AccessSize, value: number): void {
    const index = this.#find(addr, size);
    if (index < 0) {
      this.#unclaimedWrites++;
      return;
    }
    const lock = this.#locks[index];
    if (lock !== undefined) lock.acquire();
    try {
      this.#devices[index].write(addr - this.#bases[index], size, mask(value, size));
    } finally {
      if (lock !== undefined) lock.release();
    }
  }

  /**
   * Reads `size` bytes, 1 to 8, into a view: what a vCPU does with the data field of its kvm_run
   * page. The device sees an access of 8 bytes as two of 4, low first, under one hold of its lock;
   * the odd sizes that an access across a page leaves are split likewise (7 is 4, 2 and 1).
   *
   * @param at Where in the view the first byte goes.
   */
  readInto(addr: number, size: number, view: DataView, at: number): void {
    const index = this.#find(addr, size);
    if (index < 0) {
      this.#readNothing(size, view, at);
      return;
    }
    const lock = this.#locks[index];
    if (lock !== undefined) lock.acquire();
    try {
      const device = this.#devices[index];
      const offset = addr - this.#bases[index];
      if (size === 1) view.setUint8(at, device.read(offset, 1));
      else if (size === 4) view.setUint32(at, device.read(offset, 4), true);
      else readPieces(device, offset, size, view, at);
    } finally {
      if (lock !== undefined) lock.release();
    }
  }

  #readNothing(size: number, view: DataView, at: number): void {
    this.#unclaimedReads++;
    for (let i = 0; i < size; i++) view.setUint8(at + i, 0xff);
  }

  /**
   * Writes `size` bytes, 1 to 8, out of a view; split as {@linkcode readInto} does.
   *
   * @param at Where in the view the first byte is.
   */
  writeFrom(addr: number, size: number, view: DataView, at: number): void {
    const index = this.#find(addr, size);
    if (index < 0) {
      this.#unclaimedWrites++;
      return;
    }
    const lock = this.#locks[index];
    if (lock !== undefined) lock.acquire();
    try {
      const device = this.#devices[index];
      const offset = addr - this.#bases[index];
      if (size === 1) device.write(offset, 1, view.getUint8(at));
      else if (size === 4) device.write(offset, 4, view.getUint32(at, true));
      else writePieces(device, offset, size, view, at);
    } finally {
      if (lock !== undefined) lock.release();
    }
  }

  /** The index of the range that holds the whole access, or -1. */
  #find(addr: number, size: number): number {
    const last = this.#last;
    // With no device at all `bases[0]` is undefined and the comparison is false.
    if (addr >= this.#bases[last] && addr + size <= this.#ends[last]) return last;
    return this.#search(addr, size);
  }

  #search(addr: number, size: number): number {
    const bases = this.#bases;
    const ends = this.#ends;
    const end = addr + size;
    let low = 0;
    let high = bases.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (addr < bases[middle]) high = middle - 1;
      else if (addr >= ends[middle]) low = middle + 1;
      else if (end <= ends[middle]) return this.#last = middle;
      else return -1;
    }
    return -1;
  }
}

/** A read of an uncommon size, in pieces of 4, 2 and 1 bytes; apart from the common ones, so that those are inlined. */
function readPieces(
  device: BusDevice,
  offset: number,
  size: number,
  view: DataView,
  at: number,
): void {
  let done = 0;
  for (; size - done >= 4; done += 4) {
    view.setUint32(at + done, device.read(offset + done, 4), true);
  }
  if (size - done >= 2) {
    view.setUint16(at + done, device.read(offset + done, 2), true);
    done += 2;
  }
  if (size - done === 1) view.setUint8(at + done, device.read(offset + done, 1));
}

/** A write of an uncommon size, in the same pieces. */
function writePieces(
  device: BusDevice,
  offset: number,
  size: number,
  view: DataView,
  at: number,
): void {
  let done = 0;
  for (; size - done >= 4; done += 4) {
    device.write(offset + done, 4, view.getUint32(at + done, true));
  }
  if (size - done >= 2) {
    device.write(offset + done, 2, view.getUint16(at + done, true));
    done += 2;
  }
  if (size - done === 1) device.write(offset + done, 1, view.getUint8(at + done));
}

/** The low `size` bytes of `value`, unsigned. */
function mask(value: number, size: AccessSize): number {
  return size === 4 ? value >>> 0 : size === 2 ? value & 0xffff : value & 0xff;
}

function hex(n: number): string {
  return `0x${n.toString(16)}`;
}

function range(base: number, end: number): string {
  return `[${hex(base)}, ${hex(end)})`;
}
