/**
 * The power registers of a hardware-reduced ACPI platform: sleep control, sleep status and reset
 * (ACPI 6.5, sections 4.8.3.7 and 4.8.3.6), side by side in port space. The FADT and the DSDT's \_S5
 * object tell the guest where they are and what to write; the constants here are what they tell.
 *
 * S5 ("soft off") is the only sleep state. The machine never sleeps and wakes, so WAK_STS stays 0.
 *
 * State: one SharedArrayBuffer behind the device's lock.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | the sleep type | three bits; only S5's does something |
 * | the reset value | any other than RESET_VALUE does nothing |
 * | how often it asks | the machine takes the first request and ends |
 *
 * @module
 */

import type { AttachContext, DeviceModule, DeviceSpec } from "../device.ts";
import { StateLayout, StateReader } from "../state.ts";
import { ByteDevice } from "./byte_device.ts";

const KIND = "acpi-pm";
const VERSION = 1;

/** The customary port of {@linkcode SLEEP_CONTROL_REG}. */
export const ACPI_PM_PORT = 0x600;
/** How many ports the registers take. */
export const ACPI_PM_PORT_COUNT = 3;

/** The offset of the FADT's SLEEP_CONTROL_REG. */
export const SLEEP_CONTROL_REG = 0;
/** The offset of the FADT's SLEEP_STATUS_REG. */
export const SLEEP_STATUS_REG = 1;
/** The offset of the FADT's RESET_REG. */
export const RESET_REG = 2;
/** The FADT's RESET_VALUE. */
export const RESET_VALUE = 0x06;
/** What \_S5 gives as SLP_TYPx. */
export const SLP_TYP_S5 = 5;

/** Sleep control register: SLP_TYPx is bits 2 to 4, SLP_EN is bit 5 and reads 0. */
const SLP_TYP_SHIFT = 2;
const SLP_TYP_MASK = 7;
const SLP_EN = 1 << 5;

const LAYOUT = new StateLayout({ registers: { sleepType: SLP_TYP_MASK } });

/** What the registers are made with. */
export interface AcpiPmOptions {
  /** The first of their ports; 0x600 unless told otherwise. */
  readonly base?: number;
}

/** One set of power registers. */
export interface AcpiPmSpec extends DeviceSpec {
  readonly base: number;
  readonly state: SharedArrayBuffer;
}

class AcpiPm extends ByteDevice {
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #context: AttachContext;

  constructor(words: Uint32Array<SharedArrayBuffer>, context: AttachContext) {
    super();
    this.#words = words;
    this.#context = context;
  }

  protected readByte(offset: number): number {
    return offset === SLEEP_CONTROL_REG ? this.#words[LAYOUT.word.sleepType] << SLP_TYP_SHIFT : 0;
  }

  protected writeByte(offset: number, value: number): void {
    if (offset === SLEEP_CONTROL_REG) {
      const sleepType = (value >> SLP_TYP_SHIFT) & SLP_TYP_MASK;
      this.#words[LAYOUT.word.sleepType] = sleepType;
      if ((value & SLP_EN) !== 0 && sleepType === SLP_TYP_S5) {
        this.#context.requests.powerOff("acpi");
      }
    } else if (offset === RESET_REG && value === RESET_VALUE) {
      this.#context.requests.reset("acpi");
    }
  }
}

/** The ACPI power registers. */
export const acpiPm: DeviceModule<AcpiPmOptions, AcpiPmSpec> = {
  kind: KIND,

  create(options) {
    return { kind: KIND, base: options.base ?? ACPI_PM_PORT, state: LAYOUT.allocate() };
  },

  attach(spec, context) {
    const { words, lock } = LAYOUT.views(spec.state);
    const device = new AcpiPm(words, context);
    return { ranges: [{ space: "pio", base: spec.base, size: ACPI_PM_PORT_COUNT, device }], lock };
  },

  save: (spec) => LAYOUT.save(spec.state, VERSION),

  restore(spec, state) {
    LAYOUT.restore(spec.state, new StateReader(KIND, VERSION, state));
  },
};
