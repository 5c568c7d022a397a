/**
 * System control port A of the PS/2 (port 0x92): the fast way to reset, and to open address line 20.
 *
 * Raising bit 0 resets the machine. Bit 1 is the A20 gate, which reads back as written; memory above
 * 1 MiB can be reached whatever it says, as on every machine without an 8086's wrap-around.
 *
 * State: one SharedArrayBuffer behind the device's lock.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | the register | two bits are kept, the others read 0 |
 * | how often it asks for a reset | the machine takes the first request and ends |
 *
 * @module
 */

import type { AttachContext, DeviceModule, DeviceSpec } from "../device.ts";
import { StateLayout, StateReader } from "../state.ts";
import { ByteDevice } from "./byte_device.ts";

const KIND = "port92";
const VERSION = 1;
const PORT = 0x92;

const FAST_RESET = 1 << 0;
const A20_GATE = 1 << 1;

const LAYOUT = new StateLayout({ registers: { control: FAST_RESET | A20_GATE } });

/** What the port is made with: there is nothing to choose. */
export type Port92Options = Record<never, never>;

/** One system control port A. */
export interface Port92Spec extends DeviceSpec {
  readonly state: SharedArrayBuffer;
}

class Port92 extends ByteDevice {
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #context: AttachContext;

  constructor(words: Uint32Array<SharedArrayBuffer>, context: AttachContext) {
    super();
    this.#words = words;
    this.#context = context;
  }

  protected readByte(): number {
    return this.#words[LAYOUT.word.control];
  }

  protected writeByte(_offset: number, value: number): void {
    const risen = value & ~this.#words[LAYOUT.word.control];
    this.#words[LAYOUT.word.control] = value & (FAST_RESET | A20_GATE);
    if ((risen & FAST_RESET) !== 0) this.#context.requests.reset("port 0x92");
  }
}

/** System control port A. */
export const port92: DeviceModule<Port92Options, Port92Spec> = {
  kind: KIND,

  create() {
    const state = LAYOUT.allocate();
    // Firmware opens the gate before it starts a kernel.
    LAYOUT.views(state).words[LAYOUT.word.control] = A20_GATE;
    return { kind: KIND, state };
  },

  attach(spec, context) {
    const { words, lock } = LAYOUT.views(spec.state);
    const device = new Port92(words, context);
    return { ranges: [{ space: "pio", base: PORT, size: 1, device }], lock };
  },

  save: (spec) => LAYOUT.save(spec.state, VERSION),

  restore(spec, state) {
    LAYOUT.restore(spec.state, new StateReader(KIND, VERSION, state));
  },
};
