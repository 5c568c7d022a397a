/**
 * The real-time clock and CMOS memory of a PC: a Motorola MC146818 at ports 0x70 (index) and 0x71
 * (data), with the century at offset 0x32 and the memory size where firmware leaves it.
 *
 * The guest's clock shows UTC. It follows the host's clock, plus what the guest has set it ahead.
 * All bytes that the guest reads after it has seen UIP clear are those of one moment, however slowly
 * it reads, so a time is never torn.
 *
 * The chip's interrupt pin is not connected. The flags of register C are worked out when it is read,
 * so that software can poll for them; alarms do not wake anybody.
 *
 * State: one SharedArrayBuffer behind the device's lock.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | the index | seven bits, into 128 bytes |
 * | the time | any bytes make some date up to year 16679; the host's clock is not touched |
 * | the alarm | looked for in at most a day's seconds for each read of register C |
 * | NVRAM | 114 bytes of its own |
 *
 * @module
 */

import type { AttachedDevice, DeviceModule, DeviceSpec } from "../device.ts";
import { StateReader } from "../state.ts";
import { initialize, RTC_STATE, RtcChip } from "./rtc_chip.ts";

const KIND = "rtc";
const VERSION = 1;
const PORT = 0x70;

/** NVRAM offsets that firmware and boot loaders look at; sizes are little-endian. */
const Nvram = {
  /** KiB below 640 KiB. */
  BASE_MEMORY: 0x15,
  /** KiB above 1 MiB, at most 65535. */
  EXTENDED_MEMORY: 0x17,
  /** Sum of the bytes 0x10 to 0x2d, big-endian. */
  CHECKSUM: 0x2e,
  /** The same as EXTENDED_MEMORY, as found by the power-on test. */
  EXTENDED_MEMORY_TESTED: 0x30,
  /** 64 KiB blocks between 16 MiB and 4 GiB, at most 65535 (Bochs and its heirs). */
  MEMORY_ABOVE_16M: 0x34,
  /** 64 KiB blocks above 4 GiB, three bytes (Bochs and its heirs). */
  MEMORY_ABOVE_4G: 0x5b,
} as const;

const KIB = 1024;
const MIB = 1024 * KIB;

/** What a real-time clock is made with. */
export interface RtcOptions {
  /** Bytes of RAM below 4 GiB. */
  readonly memoryBelow4G: number;
  /** Bytes of RAM from 4 GiB on; none unless told otherwise. */
  readonly memoryAbove4G?: number;
}

/** One real-time clock. */
export interface RtcSpec extends DeviceSpec {
  readonly state: SharedArrayBuffer;
}

function checkSize(name: string, size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new RangeError(`rtc: ${name} is ${size}, not a number of bytes`);
  }
}

/** Puts the size of memory where firmware does. */
function writeMemorySize(cells: Uint8Array, options: RtcOptions): void {
  const put = (at: number, bytes: number, value: number) => {
    const most = 2 ** (8 * bytes) - 1;
    let rest = Math.min(Math.max(Math.floor(value), 0), most);
    for (let i = 0; i < bytes; i++) {
      cells[at + i] = rest % 256;
      rest = Math.floor(rest / 256);
    }
  };
  const { memoryBelow4G, memoryAbove4G = 0 } = options;
  put(Nvram.BASE_MEMORY, 2, Math.min(memoryBelow4G / KIB, 640));
  const extended = (memoryBelow4G - MIB) / KIB;
  put(Nvram.EXTENDED_MEMORY, 2, extended);
  put(Nvram.EXTENDED_MEMORY_TESTED, 2, extended);
  put(Nvram.MEMORY_ABOVE_16M, 2, (memoryBelow4G - 16 * MIB) / (64 * KIB));
  put(Nvram.MEMORY_ABOVE_4G, 3, memoryAbove4G / (64 * KIB));
  let sum = 0;
  for (let at = 0x10; at < Nvram.CHECKSUM; at++) sum += cells[at];
  cells[Nvram.CHECKSUM] = sum >> 8;
  cells[Nvram.CHECKSUM + 1] = sum & 0xff;
}

/** Makes the chip's registers in this isolate, with a clock of the caller's. */
export function attachRtc(spec: RtcSpec, now: () => number): AttachedDevice {
  const device = new RtcChip(spec.state, now);
  return {
    ranges: [{ space: "pio", base: PORT, size: 2, device }],
    lock: RTC_STATE.views(spec.state).lock,
  };
}

/** The real-time clock and CMOS memory. */
export const rtc: DeviceModule<RtcOptions, RtcSpec> = {
  kind: KIND,

  create(options) {
    checkSize("memoryBelow4G", options.memoryBelow4G);
    checkSize("memoryAbove4G", options.memoryAbove4G ?? 0);
    const state = RTC_STATE.allocate();
    initialize(state, Date.now());
    writeMemorySize(RTC_STATE.views(state).bytes.cells, options);
    return { kind: KIND, state };
  },

  attach: (spec) => attachRtc(spec, Date.now),

  save: (spec) => RTC_STATE.save(spec.state, VERSION),

  restore(spec, state) {
    RTC_STATE.restore(spec.state, new StateReader(KIND, VERSION, state));
  },
};
