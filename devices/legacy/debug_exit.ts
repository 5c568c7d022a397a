/**
 * The debug exit: a port with which a guest ends its machine and leaves a status, as test guests do.
 *
 * A write of 1, 2 or 4 bytes to the port gives the status in its low byte. The port is four
 * addresses wide so that all three sizes fit; its upper addresses by themselves do nothing. Reads
 * as 0. (QEMU's isa-debug-exit is at the same port, but doubles the status and adds one.)
 *
 * State: none but the lock.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | the status | its low byte only: 0 to 255 |
 * | how often it asks | the machine takes the first request and ends |
 *
 * @module
 */

import type { AccessSize, BusDevice } from "../../src/bus/mod.ts";
import type { AttachContext, DeviceModule, DeviceSpec } from "../device.ts";
import { StateLayout, StateReader } from "../state.ts";

const KIND = "debug-exit";
const VERSION = 1;
const PORT_COUNT = 4;

const LAYOUT = new StateLayout({});

/** The customary port of the debug exit. */
export const DEBUG_EXIT_PORT = 0xf4;

/** What a debug exit is made with. */
export interface DebugExitOptions {
  /** The first of its four ports; 0xf4 unless told otherwise. */
  readonly base?: number;
}

/** One debug exit. */
export interface DebugExitSpec extends DeviceSpec {
  readonly base: number;
  readonly state: SharedArrayBuffer;
}

class DebugExit implements BusDevice {
  readonly #context: AttachContext;

  constructor(context: AttachContext) {
    this.#context = context;
  }

  read(): number {
    return 0;
  }

  write(offset: number, _size: AccessSize, value: number): void {
    if (offset === 0) this.#context.requests.exit(value & 0xff);
  }
}

/** The debug exit port. */
export const debugExit: DeviceModule<DebugExitOptions, DebugExitSpec> = {
  kind: KIND,

  create(options) {
    return { kind: KIND, base: options.base ?? DEBUG_EXIT_PORT, state: LAYOUT.allocate() };
  },

  attach(spec, context) {
    const device = new DebugExit(context);
    return {
      ranges: [{ space: "pio", base: spec.base, size: PORT_COUNT, device }],
      lock: LAYOUT.views(spec.state).lock,
    };
  },

  save: (spec) => LAYOUT.save(spec.state, VERSION),

  restore(spec, state) {
    LAYOUT.restore(spec.state, new StateReader(KIND, VERSION, state));
  },
};
