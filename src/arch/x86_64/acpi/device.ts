/**
 * A device as the firmware's tables describe it, without AML: what a machine knows of each of its devices.
 * @module
 */
import { type Aml, device, eisaId, integer, name, string } from "./aml.ts";
import {
  interrupt,
  type InterruptMode,
  ioPorts,
  memory32Fixed,
  qwordMemory,
  type Resource,
  resourceTemplate,
} from "./resources.ts";

/** A range of I/O ports or of guest physical addresses. */
export interface ResourceRange {
  readonly base: number;
  readonly size: number;
}

/** One device node with the resources it uses. */
export interface AcpiDevice {
  /** Its name in the namespace: at most four characters, unlike every other device's. */
  readonly name: string;
  /** Hardware id: an EISA id such as `PNP0501`, or an ACPI id such as `LNRO0005`. */
  readonly hid: string;
  /** Tells devices with the same hardware id apart; 0 where there is one. */
  readonly uid?: number;
  /** Port ranges of at most 255 ports. */
  readonly io?: readonly ResourceRange[];
  readonly mmio?: readonly ResourceRange[];
  /** The global system interrupt; on a PC an ISA interrupt has its own number. */
  readonly irq?: number;
  /** How the interrupt is signalled; {@link EDGE} where this is left out. */
  readonly irqMode?: InterruptMode;
}

/** An interrupt that an eventfd raises: one edge for each event, not shared. */
export const EDGE: InterruptMode = { trigger: "edge", polarity: "high", shared: false };

/** Hardware ids that other tables depend on. */
export const HardwareId = Object.freeze({
  /** A 16550A-compatible serial port. */
  SERIAL: "PNP0501",
  /** The keyboard's half of an i8042. */
  KEYBOARD: "PNP0303",
  /** A PC/AT real-time clock. */
  RTC: "PNP0B00",
  /** A virtio device with the MMIO transport (virtio 1.2, 4.2.2). */
  VIRTIO_MMIO: "LNRO0005",
  /** A processor. */
  PROCESSOR: "ACPI0007",
});

/** The device's node: `_HID`, `_UID` and, where it uses anything, `_CRS`. */
export function deviceNode(described: AcpiDevice): Aml {
  const { hid, uid = 0, io = [], mmio = [], irq, irqMode = EDGE } = described;
  const resources: Resource[] = [
    ...io.map(({ base, size }) => ioPorts(base, size)),
    ...mmio.map(({ base, size }) =>
      base + size <= 2 ** 32
        ? memory32Fixed(base, size)
        : qwordMemory({ base, size, producer: false })
    ),
    ...(irq === undefined ? [] : [interrupt(irq, irqMode)]),
  ];
  // Three letters make an EISA id; four make an ACPI id, which is a string (6.1.5).
  const id = hid.length === 7 ? eisaId(hid) : string(hid);
  const crs = resources.length > 0 ? [name("_CRS", resourceTemplate(...resources))] : [];
  return device(described.name, name("_HID", id), name("_UID", integer(uid)), ...crs);
}
