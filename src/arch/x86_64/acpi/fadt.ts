/**
 * The FADT: how the machine is switched off and reset, and which legacy hardware it has.
 *
 * The machine is "hardware-reduced" (ACPI 6.5, 4.1): it has no PM1 registers, no SCI, no GPE blocks and no PM
 * timer. That choice rests on this:
 *
 * - Power-off and reset become two byte-wide ports without state. The full model needs the PM1 event and
 *   control registers, an SCI with level semantics and a 3.58 MHz timer: more device for the guest to attack,
 *   for buttons and sleep states that no microVM has.
 * - Linux then installs no handlers for the 8259 and the PIT (acpi_generic_reduced_hw_init) and skips the
 *   search for a timer pin. It needs a TSC of known frequency or kvmclock, and a local APIC timer, which KVM
 *   always gives. IRQ numbers become dynamic, so each ISA device must be in the DSDT with its interrupt.
 * - Hotplug needs no GPE: a Generic Event Device (5.6.9) carries events over any interrupt.
 *
 * Its price is paid in two other files: the 8259s must be masked from the start (interrupt_controller.ts), and
 * a reboot may come by the reset vector (reset_vector.ts).
 *
 * Source: ACPI Specification 6.5, 5.2.9, 4.8.3.7 (sleep registers) and 4.8.3.6 (reset register).
 *
 * @module
 */
import { writeAscii } from "../bytes.ts";
import { HEADER_SIZE, type Table, table } from "./table.ts";

/** Where the power registers are, as I/O ports of one byte each. */
export interface PowerRegisters {
  /** SLEEP_CONTROL_REG: SLP_TYPx in bits 2–4, SLP_EN in bit 5. */
  readonly sleepControl: number;
  /** SLEEP_STATUS_REG: WAK_STS in bit 7, written with one to clear. */
  readonly sleepStatus: number;
  /** RESET_REG: writing {@link PowerRegisters.resetValue} resets the machine. */
  readonly reset: number;
  readonly resetValue: number;
}

/** Where they are unless the machine says otherwise. */
export const POWER_REGISTERS: PowerRegisters = Object.freeze({
  sleepControl: 0x600,
  sleepStatus: 0x601,
  reset: 0x602,
  resetValue: 0x06,
});

/** The SLP_TYPx of S5, soft off: what the DSDT's `_S5` says and the guest writes to SLEEP_CONTROL_REG. */
export const SLEEP_TYPE_S5 = 5;
/** SLP_EN: enter the sleep state now. */
export const SLEEP_ENABLE = 1 << 5;
/** The byte with which a guest switches the machine off. */
export const SLEEP_CONTROL_S5 = (SLEEP_TYPE_S5 << 2) | SLEEP_ENABLE;

/** What the FADT says of this machine. */
export interface FadtInput {
  readonly dsdtAddress: number;
  readonly power: PowerRegisters;
  /** Whether the guest may probe ports 0x60 and 0x64. */
  readonly hasI8042: boolean;
  /** Whether there is an RTC at ports 0x70 and 0x71. */
  readonly hasRtc: boolean;
  /** The CMOS index of the RTC's century byte, where it has one. */
  readonly rtcCentury?: number;
}

const REVISION = 6;
const MINOR_REVISION = 3;
const SIZE = 276;

/** Byte offsets of the fields that are not zero (table 5.9). */
const Offset = Object.freeze({
  DSDT: 40,
  P_LVL2_LAT: 96,
  P_LVL3_LAT: 98,
  CENTURY: 108,
  IAPC_BOOT_ARCH: 109,
  FLAGS: 112,
  RESET_REG: 116,
  RESET_VALUE: 128,
  MINOR_REVISION: 131,
  X_DSDT: 140,
  SLEEP_CONTROL_REG: 244,
  SLEEP_STATUS_REG: 256,
  HYPERVISOR_VENDOR_IDENTITY: 268,
});

/** Fixed feature flags (table 5.10). */
export const FadtFlag = Object.freeze({
  WBINVD: 1 << 0,
  PROC_C1: 1 << 2,
  /** Set: no fixed-hardware power button. */
  PWR_BUTTON: 1 << 4,
  /** Set: no fixed-hardware sleep button. */
  SLP_BUTTON: 1 << 5,
  RESET_REG_SUP: 1 << 10,
  HW_REDUCED_ACPI: 1 << 20,
});

/** IA-PC boot architecture flags (table 5.11). */
export const BootArch = Object.freeze({
  LEGACY_DEVICES: 1 << 0,
  HAS_8042: 1 << 1,
  VGA_NOT_PRESENT: 1 << 2,
  CMOS_RTC_NOT_PRESENT: 1 << 5,
});

/** C2 and C3 do not exist: latencies above 100 µs and 1000 µs say so (table 5.9). */
const NO_C_STATE = 0xffff;

/** The FADT, revision 6.3. */
export function fadt(input: FadtInput): Table {
  const body = new Uint8Array(SIZE - HEADER_SIZE);
  const view = new DataView(body.buffer);
  const at = (offset: number) => offset - HEADER_SIZE;
  view.setUint32(at(Offset.DSDT), input.dsdtAddress, true);
  view.setUint16(at(Offset.P_LVL2_LAT), NO_C_STATE, true);
  view.setUint16(at(Offset.P_LVL3_LAT), NO_C_STATE, true);
  view.setUint8(at(Offset.CENTURY), input.hasRtc ? input.rtcCentury ?? 0 : 0);
  view.setUint16(at(Offset.IAPC_BOOT_ARCH), bootArchitecture(input), true);
  const flags = FadtFlag.WBINVD | FadtFlag.PROC_C1 | FadtFlag.PWR_BUTTON | FadtFlag.SLP_BUTTON |
    FadtFlag.RESET_REG_SUP | FadtFlag.HW_REDUCED_ACPI;
  view.setUint32(at(Offset.FLAGS), flags, true);
  writePortAddress(view, at(Offset.RESET_REG), input.power.reset);
  view.setUint8(at(Offset.RESET_VALUE), input.power.resetValue);
  view.setUint8(at(Offset.MINOR_REVISION), MINOR_REVISION);
  view.setBigUint64(at(Offset.X_DSDT), BigInt(input.dsdtAddress), true);
  writePortAddress(view, at(Offset.SLEEP_CONTROL_REG), input.power.sleepControl);
  writePortAddress(view, at(Offset.SLEEP_STATUS_REG), input.power.sleepStatus);
  writeAscii(body, at(Offset.HYPERVISOR_VENDOR_IDENTITY), "DENOVISR");
  return table("FACP", REVISION, body);
}

/** There are devices on ports of the ISA bus (a UART at least may be), and never a VGA. */
function bootArchitecture({ hasI8042, hasRtc }: FadtInput): number {
  return BootArch.LEGACY_DEVICES | BootArch.VGA_NOT_PRESENT |
    (hasI8042 ? BootArch.HAS_8042 : 0) |
    (hasRtc ? 0 : BootArch.CMOS_RTC_NOT_PRESENT);
}

/** A Generic Address Structure for a port of one byte (5.2.3.2). */
function writePortAddress(view: DataView, offset: number, port: number): void {
  const SYSTEM_IO = 1;
  const BYTE_ACCESS = 1;
  view.setUint8(offset, SYSTEM_IO);
  view.setUint8(offset + 1, 8);
  view.setUint8(offset + 2, 0);
  view.setUint8(offset + 3, BYTE_ACCESS);
  view.setBigUint64(offset + 4, BigInt(port), true);
}
