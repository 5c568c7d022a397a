/**
 * The POST code port of the PC/AT (IBM 5170 Technical Reference, "I/O address map", port 0x80, the
 * manufacturing test port): firmware writes what it is doing, and every kernel writes anything at
 * all to pass about a microsecond of time.
 *
 * It keeps the last code, which also reads back, and counts the writes.
 *
 * State: one SharedArrayBuffer behind the device's lock.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | the code | one byte |
 * | how often it writes | the count wraps at 2^32 |
 *
 * @module
 */

import type { DeviceModule, DeviceSpec } from "../device.ts";
import { StateLayout, StateReader } from "../state.ts";
import { ByteDevice } from "./byte_device.ts";

const KIND = "post-code";
const VERSION = 1;

const LAYOUT = new StateLayout({ registers: { code: 0xff, writes: 0xffff_ffff } });

/** The port of the PC/AT's POST codes. */
export const POST_CODE_PORT = 0x80;

/** What a POST code port is made with. */
export interface PostCodeOptions {
  /** Its port; 0x80 unless told otherwise. */
  readonly base?: number;
}

/** One POST code port. */
export interface PostCodeSpec extends DeviceSpec {
  readonly base: number;
  readonly state: SharedArrayBuffer;
}

class PostCode extends ByteDevice {
  readonly #words: Uint32Array<SharedArrayBuffer>;

  constructor(words: Uint32Array<SharedArrayBuffer>) {
    super();
    this.#words = words;
  }

  protected readByte(): number {
    return this.#words[LAYOUT.word.code];
  }

  protected writeByte(_offset: number, value: number): void {
    this.#words[LAYOUT.word.code] = value;
    this.#words[LAYOUT.word.writes]++;
  }
}

/** What was written last, and how many times something was: where a silent guest got to. */
export function lastPostCode(spec: PostCodeSpec): { code: number; writes: number } {
  const { words } = LAYOUT.views(spec.state);
  return { code: words[LAYOUT.word.code], writes: words[LAYOUT.word.writes] };
}

/** The POST code port. */
export const postCode: DeviceModule<PostCodeOptions, PostCodeSpec> = {
  kind: KIND,

  create(options) {
    return { kind: KIND, base: options.base ?? POST_CODE_PORT, state: LAYOUT.allocate() };
  },

  attach(spec) {
    const { words, lock } = LAYOUT.views(spec.state);
    const device = new PostCode(words);
    return { ranges: [{ space: "pio", base: spec.base, size: 1, device }], lock };
  },

  save: (spec) => LAYOUT.save(spec.state, VERSION),

  restore(spec, state) {
    LAYOUT.restore(spec.state, new StateReader(KIND, VERSION, state));
  },
};
