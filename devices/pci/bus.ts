/**
 * One PCI bus in one isolate: which function answers to a device number, and which at an address.
 *
 * A guest may move BARs at any moment and to anywhere. A BAR is decoded only inside the window and where it
 * overlaps none of a device with a lower number, so that no address has two functions, nor a doorbell in KVM.
 *
 * @module
 */
import type { AccessSize } from "../../src/bus/mod.ts";
import { Header } from "./config_space.ts";
import type { PciFunction } from "./function.ts";

/** The devices of a bus; each has one function. */
export const PCI_DEVICES = 32;

/** A function in its place. */
export interface PciPlace {
  readonly function: PciFunction;
  readonly barSize: number;
}

/** The bus. All calls come under the host bridge's lock. */
export class PciBus {
  readonly #places: readonly PciPlace[];
  readonly #base: number;
  readonly #end: number;
  /** Where each device's BAR is decoded; 0 for nowhere. Shared by all isolates. */
  readonly #mapped: Uint32Array<SharedArrayBuffer>;
  /** Where each is to be: scratch. */
  readonly #wanted = new Float64Array(PCI_DEVICES);
  /** The device that was found last is looked at first. */
  #last = 0;

  constructor(
    places: readonly PciPlace[],
    window: { readonly base: number; readonly size: number },
    mapped: Uint32Array<SharedArrayBuffer>,
  ) {
    this.#places = places;
    this.#base = window.base;
    this.#end = window.base + window.size;
    this.#mapped = mapped;
  }

  /** Reads configuration space; all ones where there is no device. */
  readConfig(device: number, offset: number, size: AccessSize): number {
    if (device >= this.#places.length) return 0xffff_ffff;
    return this.#places[device].function.readConfig(offset, size);
  }

  writeConfig(device: number, offset: number, size: AccessSize, value: number): void {
    if (device >= this.#places.length) return;
    this.#places[device].function.writeConfig(offset, size, value);
    // Command and BARs are in the header's first part.
    if (offset < Header.barsEnd) this.remap();
  }

  /** Reads what BARs decode; all ones where none does. */
  read(address: number, size: AccessSize): number {
    const device = this.#find(address, size);
    if (device < 0) return 0xffff_ffff;
    return this.#places[device].function.readBar(address - this.#mapped[device], size);
  }

  write(address: number, size: AccessSize, value: number): void {
    const device = this.#find(address, size);
    if (device < 0) return;
    this.#places[device].function.writeBar(address - this.#mapped[device], size, value);
  }

  /** The device whose BAR holds the whole access, or -1. */
  #find(address: number, size: number): number {
    if (this.#holds(this.#last, address, size)) return this.#last;
    for (let device = 0; device < this.#places.length; device++) {
      if (this.#holds(device, address, size)) return this.#last = device;
    }
    return -1;
  }

  #holds(device: number, address: number, size: number): boolean {
    const base = this.#mapped[device];
    return base !== 0 && address >= base && address + size <= base + this.#places[device].barSize;
  }

  /** Brings the decoding up to the registers. */
  remap(): void {
    for (let device = 0; device < this.#places.length; device++) {
      this.#wanted[device] = this.#decodable(device);
    }
    // All are taken away before any is put in place: two may change places.
    for (let device = 0; device < this.#places.length; device++) {
      const before = this.#mapped[device];
      if (before === 0 || before === this.#wanted[device]) continue;
      this.#mapped[device] = 0;
      this.#places[device].function.unmapped(before);
    }
    for (let device = 0; device < this.#places.length; device++) {
      const wanted = this.#wanted[device];
      if (wanted === 0 || wanted === this.#mapped[device]) continue;
      this.#places[device].function.mapped(wanted);
      this.#mapped[device] = wanted;
    }
  }

  /** Where a device's BAR can be decoded, given those of lower numbers; 0 for nowhere. */
  #decodable(device: number): number {
    const { function: { decodes }, barSize } = this.#places[device];
    if (barSize === 0 || decodes < this.#base || decodes + barSize > this.#end) return 0;
    for (let other = 0; other < device; other++) {
      const base = this.#wanted[other];
      if (base === 0) continue;
      if (decodes < base + this.#places[other].barSize && base < decodes + barSize) return 0;
    }
    return decodes;
  }
}
