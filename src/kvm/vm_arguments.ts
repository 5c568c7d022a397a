/**
 * What the calls on a virtual machine take, in terms of addresses and numbers, and how it becomes structs.
 * @module
 */
import { PAGE_SIZE } from "../ffi/mapping.ts";
import {
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_PIO,
  type KvmCoalescedMmioZone,
  type KvmIoeventfd,
  type KvmMsi,
  type KvmUserspaceMemoryRegion,
} from "./bindings/mod.ts";
import type { InputOf } from "./struct.ts";

/** A memory slot: guest memory and what backs it. A size of 0 deletes the slot. */
export interface UserMemoryRegion {
  /** The slot's number; its upper 16 bits are the address space. */
  readonly slot: number;
  /** The first guest physical address. */
  readonly guestAddress: number;
  /** Bytes, whole pages. */
  readonly size: number;
  /** Where the memory is in this process. */
  readonly hostAddress: bigint;
  /** KVM_MEM_*; 0 when left out. */
  readonly flags?: number;
}

/** A memory slot that can also have private memory, with KVM_MEM_GUEST_MEMFD in its flags. */
export interface UserMemoryRegion2 extends UserMemoryRegion {
  /** The guest_memfd's descriptor. */
  readonly guestMemfd?: number;
  /** Where in the guest_memfd the slot begins. */
  readonly guestMemfdOffset?: number;
}

/** Where the guest writes, for an ioeventfd to be signalled. */
export interface IoeventfdTarget {
  /** The port or guest physical address. */
  readonly address: number;
  /** The width of the write: 1, 2, 4 or 8 bytes; 0 for any. */
  readonly length: 0 | 1 | 2 | 4 | 8;
  /** Whether the address is a port. */
  readonly pio?: boolean;
  /** The value that must be written; any when left out. */
  readonly datamatch?: number | bigint;
}

/** A range whose writes wait in a vCPU's ring. */
export interface CoalescedMmioZone {
  /** The first port or guest physical address. */
  readonly address: number;
  /** Bytes. */
  readonly size: number;
  /** Whether the addresses are ports. */
  readonly pio?: boolean;
}

/** A message-signalled interrupt. */
export interface Msi {
  /** The 64-bit address that the device would write to. */
  readonly address: number | bigint;
  /** The 32-bit value that it would write. */
  readonly data: number;
  /** The device's id, with KVM_MSI_VALID_DEVID in `flags`. */
  readonly devid?: number;
  /** KVM_MSI_VALID_DEVID or 0. */
  readonly flags?: number;
}

/** The bytes of a dirty bitmap for `pages` of the host's pages; the kernel copies whole 64-bit words. */
export function bitmapBytes(pages: number): number {
  return Math.ceil(pages / 64) * 8;
}

/** The pages of a slot of `size` bytes. @throws {RangeError} when they are not whole */
export function slotPages(slot: number, size: number): number {
  if (!Number.isSafeInteger(size) || size <= 0 || size % PAGE_SIZE !== 0) {
    throw new RangeError(`slot ${slot}: ${size} bytes are not whole pages of ${PAGE_SIZE} bytes`);
  }
  return size / PAGE_SIZE;
}

/** struct kvm_userspace_memory_region. */
export function memoryRegion(region: UserMemoryRegion): InputOf<typeof KvmUserspaceMemoryRegion> {
  return {
    slot: region.slot,
    flags: region.flags,
    guest_phys_addr: BigInt(region.guestAddress),
    memory_size: BigInt(region.size),
    userspace_addr: region.hostAddress,
  };
}

/** struct kvm_coalesced_mmio_zone. */
export function coalescedZone(zone: CoalescedMmioZone): InputOf<typeof KvmCoalescedMmioZone> {
  return { addr: BigInt(zone.address), size: zone.size, pio: zone.pio ? 1 : 0 };
}

/** struct kvm_ioeventfd. */
export function ioeventfdArgument(
  fd: number,
  target: IoeventfdTarget,
  flags: number,
): InputOf<typeof KvmIoeventfd> {
  const { address, length, pio, datamatch } = target;
  if (pio) flags |= KVM_IOEVENTFD_FLAG_PIO;
  if (datamatch !== undefined) flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
  return { fd, addr: BigInt(address), len: length, datamatch: BigInt(datamatch ?? 0), flags };
}

/** struct kvm_msi. */
export function msiArgument(msi: Msi): InputOf<typeof KvmMsi> {
  const address = BigInt(msi.address);
  return {
    address_lo: Number(address & 0xffff_ffffn),
    address_hi: Number(address >> 32n),
    data: msi.data,
    flags: msi.flags,
    devid: msi.devid,
  };
}
