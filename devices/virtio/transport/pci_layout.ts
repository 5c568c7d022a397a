/**
 * How a virtio device looks on PCI: its configuration space, and where in BAR 0 its structures are.
 *
 * Source: virtio 1.2, 4.1.2 and 4.1.4; PCI 3.0, 6.8.2 (MSI-X).
 *
 * @module
 */
import { ConfigLayout } from "../../pci/config_space.ts";
import type { VirtioSlot } from "../slot.ts";

const PAGE = 0x1000;

/** The structures in BAR 0; each that a guest may want to map alone has pages of its own. */
export const Region = {
  common: { offset: 0x0000, size: 0x38 },
  isr: { offset: 0x1000, size: 1 },
  device: { offset: 0x2000, size: PAGE },
  notify: { offset: 0x3000, size: PAGE },
  msixTable: { offset: 0x8000, size: 0x4000 },
  msixPending: { offset: 0xc000, size: PAGE },
} as const;

/** The bytes that BAR 0 decodes. */
export const BAR_SIZE = 0x1_0000;
/** Bytes from one queue's doorbell to the next: each has an address of its own (4.1.4.4). */
export const NOTIFY_MULTIPLIER = 4;
/** Bytes of an entry in the MSI-X table. */
export const MSIX_ENTRY_SIZE = 16;

/** What the structures have room for: a vector for each queue and one for the configuration. */
const MAX_VECTORS = Region.msixTable.size / MSIX_ENTRY_SIZE;

/** Capability ids (PCI 3.0, appendix H). */
const Capability = { vendor: 0x09, msix: 0x11 } as const;
/** What a vendor capability is about (4.1.4). */
const ConfigType = { common: 1, notify: 2, isr: 3, device: 4, pci: 5 } as const;

const VENDOR = 0x1af4;
const FIRST_DEVICE_ID = 0x1040;
const REVISION = 1;

/**
 * PCI class codes by virtio device type, for systems that choose drivers or names by class; others are of no class
 * that PCI knows.
 */
const CLASS_CODES: Readonly<Record<number, number>> = {
  1: 0x02_0000, // network: Ethernet controller
  2: 0x01_8000, // mass storage: other
  3: 0x07_8000, // communication: other
};
const NO_CLASS = 0xff_0000;

/** A device's configuration space, and where in it the parts with a meaning of their own are. */
export interface VirtioPciLayout {
  readonly config: ConfigLayout;
  /** MSI-X: the message control register. */
  readonly msixControl: number;
  /** The window into BAR 0 (4.1.4.9): BAR, offset, length and data. */
  readonly window: {
    readonly bar: number;
    readonly offset: number;
    readonly length: number;
    readonly data: number;
  };
}

/** Bits of MSI-X's message control register. */
export const MsixControl = { enable: 1 << 15, functionMask: 1 << 14 } as const;

/**
 * The layout of a device.
 *
 * @param pinLine what its interrupt line register says at first
 * @throws {RangeError} if it has more queues than there's room for
 */
export function virtioPciLayout(slot: VirtioSlot, pinLine: number): VirtioPciLayout {
  const { queueSizes, vectors, configSize } = slot.shared;
  if (vectors < 1 || vectors > MAX_VECTORS || queueSizes.length >= MAX_VECTORS) {
    throw new RangeError(
      `${slot.id}: a virtio device on PCI has 1 to ${MAX_VECTORS} vectors and fewer queues than that`,
    );
  }
  const deviceId = FIRST_DEVICE_ID + slot.deviceType;
  const config = new ConfigLayout({
    vendorId: VENDOR,
    deviceId,
    revision: REVISION,
    classCode: CLASS_CODES[slot.deviceType] ?? NO_CLASS,
    subsystemVendorId: VENDOR,
    subsystemId: deviceId,
  });
  config.setMemoryBar(BAR_SIZE);
  config.setInterruptPin(pinLine);
  const control = MsixControl.enable | MsixControl.functionMask;
  const msix = config.addCapability(
    Capability.msix,
    bytes([2, vectors - 1], [4, Region.msixTable.offset], [4, Region.msixPending.offset]),
    bytes([2, control], [4, 0], [4, 0]),
  );
  const add = (type: number, offset: number, size: number, more = bytes()) =>
    config.addCapability(Capability.vendor, structure(type, offset, size, more));
  add(ConfigType.common, Region.common.offset, Region.common.size);
  add(ConfigType.isr, Region.isr.offset, Region.isr.size);
  // A device without a configuration space has no structure for it either.
  if (configSize > 0) add(ConfigType.device, Region.device.offset, configSize);
  const doorbells = Math.max(queueSizes.length, 1) * NOTIFY_MULTIPLIER;
  add(ConfigType.notify, Region.notify.offset, doorbells, bytes([4, NOTIFY_MULTIPLIER]));
  const window = config.addCapability(
    Capability.vendor,
    structure(ConfigType.pci, 0, 0, bytes([4, 0])),
    structure(0, 0xffff_ffff, 0xffff_ffff, bytes([4, 0]), 0xff).fill(0, 0, 2),
  );
  return {
    config,
    msixControl: msix + 2,
    window: { bar: window + 4, offset: window + 8, length: window + 12, data: window + 16 },
  };
}

/** The body of a vendor capability (struct virtio_pci_cap, 4.1.4): all behind its id and its link. */
function structure(
  type: number,
  offset: number,
  length: number,
  more: Uint8Array,
  bar = 0,
): Uint8Array {
  const HEADER_SIZE = 16;
  const head = bytes([1, HEADER_SIZE + more.length], [1, type], [1, bar], [3, 0]);
  return Uint8Array.from([...head, ...bytes([4, offset], [4, length]), ...more]);
}

/** Little-endian numbers, each with its width. */
function bytes(...fields: readonly (readonly [width: number, value: number])[]): Uint8Array {
  return Uint8Array.from(
    fields.flatMap(([width, value]) =>
      Array.from({ length: width }, (_, i) => (value >>> (8 * i)) & 0xff)
    ),
  );
}
