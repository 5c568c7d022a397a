/**
 * The devices that every x86-64 machine has: what kernels expect of a PC, and our own few.
 * @module
 */
import type { RamRange } from "../../memory/mod.ts";
import type { AnnouncedDevice, PlatformDevice, VirtioMmioPlace } from "../architecture.ts";
import { type AcpiDevice, HardwareId, POWER_REGISTERS } from "./acpi/mod.ts";
import { HIGH_RAM_START } from "./memory_map.ts";

const COM1 = { base: 0x3f8, size: 8, irq: 4 } as const;

/** The CMOS index of the RTC's century byte. */
export const RTC_CENTURY = 0x32;

/** The devices, as the registry makes them. */
export function platformDevices(ram: readonly RamRange[]): readonly PlatformDevice[] {
  const bytes = (isHigh: boolean) =>
    ram.filter(({ guestAddress }) => guestAddress >= HIGH_RAM_START === isHigh)
      .reduce((sum, { size }) => sum + size, 0);
  return [
    { kind: "serial", options: { base: COM1.base }, irq: COM1.irq },
    { kind: "i8042", options: {} },
    { kind: "port92", options: {} },
    { kind: "rtc", options: { memoryBelow4G: bytes(false), memoryAbove4G: bytes(true) } },
    { kind: "acpi-pm", options: { base: POWER_REGISTERS.sleepControl } },
    { kind: "debug-exit", options: {} },
    { kind: "post-code", options: {} },
  ];
}

/**
 * Those of them that a kernel can't find by itself, as ACPI describes them. The i8042 is not among them: it
 * has nothing plugged in and serves only kernels that reset their machine through it.
 */
export const acpiDevices: readonly AcpiDevice[] = [
  { name: "COM1", hid: HardwareId.SERIAL, io: [COM1], irq: COM1.irq },
  { name: "RTC", hid: HardwareId.RTC, io: [{ base: 0x70, size: 2 }] },
];

/** Virtio devices with the MMIO transport, as ACPI describes them. */
export function virtioMmioDevices(places: readonly VirtioMmioPlace[]): AcpiDevice[] {
  return places.map(({ base, size, gsi }, uid) => ({
    name: `VR${uid.toString(16).toUpperCase().padStart(2, "0")}`,
    hid: HardwareId.VIRTIO_MMIO,
    uid,
    mmio: [{ base, size }],
    irq: gsi,
  }));
}

/** Devices that users have written, as ACPI describes them. */
export function userDevices(devices: readonly AnnouncedDevice[]): AcpiDevice[] {
  return devices.map(({ hardwareId, ports, mmio, interrupt }, uid) => ({
    name: `UD${uid.toString(16).toUpperCase().padStart(2, "0")}`,
    hid: hardwareId,
    // The serial port of every machine has an id of this kind with number 0.
    uid: uid + 1,
    io: ports,
    mmio,
    irq: interrupt,
  }));
}
