/**
 * The keyboard controller of the PC/AT, an Intel 8042, with nothing plugged in: ports 0x60 and 0x64
 * (IBM 5170 Technical Reference, "Keyboard Controller", with the status bits of the PS/2's).
 *
 * It is here because kernels reset the machine with it (command 0xFE), and look for it at boot. It
 * answers each command of their probe at once; what they then learn is that there is no keyboard
 * and no auxiliary port. It has no interrupt line: nothing ever comes from a keyboard.
 *
 * State: one SharedArrayBuffer behind the device's lock.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | commands and data | one output buffer of one byte, overwritten by the next answer |
 * | the controller's RAM | 32 bytes, indexed by five bits |
 * | how often it asks for a reset | the machine takes the first request and ends |
 *
 * @module
 */

import type { BusDevice } from "../../src/bus/mod.ts";
import type { AttachContext, DeviceModule, DeviceSpec } from "../device.ts";
import { StateLayout, StateReader, type StateViews } from "../state.ts";

const KIND = "i8042";
const VERSION = 1;

/** The data port: the output buffer when read. */
const DATA_PORT = 0x60;
/** The command port: the status register when read. */
const COMMAND_PORT = 0x64;

/** Status register. The input buffer is never full: a byte is handled as it is written. */
const STATUS_OUTPUT_FULL = 1 << 0;
const STATUS_SYSTEM_FLAG = 1 << 2;
/** Whether the last write went to the command port. */
const STATUS_COMMAND = 1 << 3;
/** The keyboard's lock switch is open. */
const STATUS_NOT_INHIBITED = 1 << 4;
/** A device did not answer, and the buffer has RESEND in its stead. (Bit 5, auxiliary data, stays 0.) */
const STATUS_TIMEOUT = 1 << 6;

/** Command byte, which is byte 0 of the controller's RAM. */
const COMMAND_BYTE_SYSTEM_FLAG = 1 << 2;
const COMMAND_BYTE_DISABLE_KEYBOARD = 1 << 4;
const COMMAND_BYTE_DISABLE_AUX = 1 << 5;
/** As firmware leaves it: translation on, system flag set, keyboard interrupt on, no auxiliary port. */
const COMMAND_BYTE_INITIAL = 0x65;

/** Output port: bit 0 low resets the processor, bit 1 is the A20 gate; the clocks and data are idle. */
const OUTPUT_PORT_RESET = 1 << 0;
const OUTPUT_PORT_INITIAL = 0xcf;
/** Input port: keyboard not inhibited, no manufacturing jumper, 512 KiB on the board. */
const INPUT_PORT = 0xb0;

const Command = {
  READ_RAM: 0x20,
  WRITE_RAM: 0x60,
  DISABLE_AUX: 0xa7,
  ENABLE_AUX: 0xa8,
  TEST_AUX: 0xa9,
  SELF_TEST: 0xaa,
  TEST_KEYBOARD: 0xab,
  DISABLE_KEYBOARD: 0xad,
  ENABLE_KEYBOARD: 0xae,
  READ_INPUT_PORT: 0xc0,
  READ_OUTPUT_PORT: 0xd0,
  WRITE_OUTPUT_PORT: 0xd1,
  WRITE_KEYBOARD_BUFFER: 0xd2,
  WRITE_AUX_BUFFER: 0xd3,
  WRITE_AUX: 0xd4,
  READ_TEST_INPUTS: 0xe0,
  /** 0xf0 to 0xff: each 0 among the low four bits pulses that bit of the output port. */
  PULSE_OUTPUT_PORT: 0xf0,
} as const;

const SELF_TEST_PASSED = 0x55;
const INTERFACE_OK = 0x00;
/** The interface test's answer when the clock line is stuck low, as it is without a port. */
const CLOCK_STUCK_LOW = 0x01;
const RESEND = 0xfe;

const LAYOUT = new StateLayout({
  registers: {
    outputFull: 1,
    lastWasCommand: 1,
    timeout: 1,
    outputBuffer: 0xff,
    outputPort: 0xff,
    /** The command whose data byte is awaited, or 0. */
    pendingCommand: 0xff,
  },
  bytes: { ram: 32 },
});
const W = LAYOUT.word;

/** What the controller is made with: there is nothing to choose. */
export type I8042Options = Record<never, never>;

/** One keyboard controller. */
export interface I8042Spec extends DeviceSpec {
  readonly state: SharedArrayBuffer;
}

class Controller {
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #ram: Uint8Array<SharedArrayBuffer>;
  readonly #context: AttachContext;

  constructor(views: StateViews<"ram">, context: AttachContext) {
    this.#words = views.words;
    this.#ram = views.bytes.ram;
    this.#context = context;
  }

  readStatus(): number {
    const words = this.#words;
    return (words[W.outputFull] !== 0 ? STATUS_OUTPUT_FULL : 0) |
      ((this.#ram[0] & COMMAND_BYTE_SYSTEM_FLAG) !== 0 ? STATUS_SYSTEM_FLAG : 0) |
      (words[W.lastWasCommand] !== 0 ? STATUS_COMMAND : 0) |
      (words[W.timeout] !== 0 ? STATUS_TIMEOUT : 0) |
      STATUS_NOT_INHIBITED;
  }

  readData(): number {
    this.#words[W.outputFull] = 0;
    this.#words[W.timeout] = 0;
    return this.#words[W.outputBuffer];
  }

  writeCommand(command: number): void {
    const words = this.#words;
    words[W.lastWasCommand] = 1;
    words[W.pendingCommand] = 0;
    if (command >= Command.PULSE_OUTPUT_PORT) {
      if ((command & OUTPUT_PORT_RESET) === 0) this.#reset();
      return;
    }
    if (command >= Command.READ_RAM && command < Command.READ_RAM + 0x20) {
      this.#answer(this.#ram[command & 0x1f]);
      return;
    }
    if (command >= Command.WRITE_RAM && command < Command.WRITE_RAM + 0x20) {
      words[W.pendingCommand] = command;
      return;
    }
    switch (command) {
      case Command.WRITE_OUTPUT_PORT:
      case Command.WRITE_KEYBOARD_BUFFER:
      case Command.WRITE_AUX_BUFFER:
      case Command.WRITE_AUX:
        words[W.pendingCommand] = command;
        break;
      case Command.DISABLE_AUX:
        this.#ram[0] |= COMMAND_BYTE_DISABLE_AUX;
        break;
      case Command.ENABLE_AUX:
        this.#ram[0] &= ~COMMAND_BYTE_DISABLE_AUX;
        break;
      case Command.TEST_AUX:
        this.#answer(CLOCK_STUCK_LOW);
        break;
      case Command.SELF_TEST:
        this.#ram[0] |= COMMAND_BYTE_SYSTEM_FLAG;
        this.#answer(SELF_TEST_PASSED);
        break;
      case Command.TEST_KEYBOARD:
        this.#answer(INTERFACE_OK);
        break;
      case Command.DISABLE_KEYBOARD:
        this.#ram[0] |= COMMAND_BYTE_DISABLE_KEYBOARD;
        break;
      case Command.ENABLE_KEYBOARD:
        this.#ram[0] &= ~COMMAND_BYTE_DISABLE_KEYBOARD;
        break;
      case Command.READ_INPUT_PORT:
        this.#answer(INPUT_PORT);
        break;
      case Command.READ_OUTPUT_PORT:
        this.#answer(words[W.outputPort]);
        break;
      case Command.READ_TEST_INPUTS:
        this.#answer(0);
        break;
      default:
        // Commands that this controller does not have are not answered, as on the chip.
        break;
    }
  }

  writeData(value: number): void {
    const words = this.#words;
    const command = words[W.pendingCommand];
    words[W.lastWasCommand] = 0;
    words[W.pendingCommand] = 0;
    switch (command) {
      case Command.WRITE_OUTPUT_PORT:
        words[W.outputPort] = value;
        if ((value & OUTPUT_PORT_RESET) === 0) this.#reset();
        break;
      case Command.WRITE_KEYBOARD_BUFFER:
      case Command.WRITE_AUX_BUFFER:
        // Without an auxiliary port, both go the keyboard's way: that is how a driver finds out.
        this.#answer(value);
        break;
      case 0:
      case Command.WRITE_AUX:
        // For the keyboard, or the auxiliary device. Nobody takes it from the controller.
        this.#answer(RESEND);
        words[W.timeout] = 1;
        break;
      default:
        this.#ram[command & 0x1f] = value;
        break;
    }
  }

  #answer(value: number): void {
    this.#words[W.outputBuffer] = value;
    this.#words[W.outputFull] = 1;
    this.#words[W.timeout] = 0;
  }

  #reset(): void {
    this.#context.requests.reset("i8042");
  }
}

/** The keyboard controller. */
export const i8042: DeviceModule<I8042Options, I8042Spec> = {
  kind: KIND,

  create() {
    const state = LAYOUT.allocate();
    const { words, bytes } = LAYOUT.views(state);
    words[W.outputPort] = OUTPUT_PORT_INITIAL;
    bytes.ram[0] = COMMAND_BYTE_INITIAL;
    return { kind: KIND, state };
  },

  attach(spec, context) {
    const views = LAYOUT.views(spec.state);
    const controller = new Controller(views, context);
    const data: BusDevice = {
      read: () => controller.readData(),
      write: (_offset, _size, value) => controller.writeData(value),
    };
    const command: BusDevice = {
      read: () => controller.readStatus(),
      write: (_offset, _size, value) => controller.writeCommand(value),
    };
    return {
      ranges: [
        { space: "pio", base: DATA_PORT, size: 1, device: data },
        { space: "pio", base: COMMAND_PORT, size: 1, device: command },
      ],
      lock: views.lock,
    };
  },

  save: (spec) => LAYOUT.save(spec.state, VERSION),

  restore(spec, state) {
    LAYOUT.restore(spec.state, new StateReader(KIND, VERSION, state));
  },
};
