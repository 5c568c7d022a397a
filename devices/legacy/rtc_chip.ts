/**
 * The chip of the real-time clock: a Motorola MC146818 with 128 bytes, after its data sheet (1984).
 * `rtc.ts` tells how it is connected.
 *
 * @module
 */

import { StateLayout } from "../state.ts";
import { ByteDevice } from "./byte_device.ts";
import { alarmIn, Cell, timeByte, timeOf, weekdayShiftOf } from "./rtc_calendar.ts";

/** Offsets of the chip's registers; the names in the comments are the data sheet's. */
export const Register = { A: 0x0a, B: 0x0b, C: 0x0c, D: 0x0d } as const;

/** Register A: update in progress; divider (DV) and rate selection (RS). */
const UIP = 1 << 7;
const DV_SHIFT = 4;
/** From this DV up, the divider chain is held in reset. */
const DV_RESET = 6;
const RS = 0x0f;
/** A 32768 Hz time base and a rate of 1024 Hz, as PC firmware sets it. */
const REGISTER_A_INITIAL = 0x26;

/** Register B: the clock is stopped to be set; update interrupt enable; 24-hour mode. */
const SET = 1 << 7;
const UIE = 1 << 4;
const HOURS_24 = 1 << 1;

/** Register C: interrupt request, and the flags of its periodic, alarm and update sources. */
const IRQF = 1 << 7;
const PF = 1 << 6;
const AF = 1 << 5;
const UF = 1 << 4;

/** Register D: valid RAM and time, that is, the battery is good. */
const VRT = 1 << 7;

/** In the last part of each second UIP is set: 244 µs and an update cycle of 1984 µs on the chip. */
const UPDATE_MS = 2;

/** How long the bytes of one moment are given out, unless the guest looks at UIP again. */
const HOLD_MS = 100;

/** After the divider's reset ends, the first update follows half a second later. */
const AFTER_DIVIDER_RESET_MS = 500;

const CELLS = 128;
/** A JS date reaches no further from 1970. */
const MAX_TIME = 8.64e15;

/** No moment's bytes are to be given out again. */
const HOLD_NOTHING = -MAX_TIME;

/** The chip's state in shared memory. Times are in ms; the guest's are since 1970, UTC. */
export const RTC_STATE = new StateLayout({
  registers: {
    /** The byte that the data port shows. */
    index: CELLS - 1,
    a: 0x7f,
    b: 0xff,
    weekdayShift: 6,
  },
  numbers: {
    /** How far the guest's clock is ahead of the host's. */
    offset: MAX_TIME,
    /** The moment whose bytes are given out. */
    heldTime: MAX_TIME,
    /** When register C was read last. */
    flagsSince: MAX_TIME,
  },
  bytes: {
    /** Everything else by its offset; the time bytes hold the time while the clock is stopped. */
    cells: CELLS,
  },
});
const W = RTC_STATE.word;
const N = RTC_STATE.number;

/** Puts fresh state into what a PC's firmware leaves: the host's time, BCD, 24 hours. */
export function initialize(state: SharedArrayBuffer, now: number): void {
  const { words, numbers } = RTC_STATE.views(state);
  words[W.a] = REGISTER_A_INITIAL;
  words[W.b] = HOURS_24;
  numbers[N.heldTime] = HOLD_NOTHING;
  numbers[N.flagsSince] = Math.floor(now);
}

/** The chip in one isolate: the index port at offset 0, the data port at offset 1. */
export class RtcChip extends ByteDevice {
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #numbers: Float64Array<SharedArrayBuffer>;
  readonly #cells: Uint8Array<SharedArrayBuffer>;
  readonly #now: () => number;
  readonly #date = new Date(0);

  /**
   * @param state What {@linkcode RTC_STATE} allocated.
   * @param now The host's time in ms since 1970, UTC.
   */
  constructor(state: SharedArrayBuffer, now: () => number) {
    super();
    const { words, numbers, bytes } = RTC_STATE.views(state);
    this.#words = words;
    this.#numbers = numbers;
    this.#cells = bytes.cells;
    this.#now = now;
  }

  protected readByte(offset: number): number {
    // The index port cannot be read back, on a PC/AT.
    if (offset === 0) return 0xff;
    const index = this.#words[W.index];
    if (isTime(index)) return this.#readTime(index);
    switch (index) {
      case Register.A:
        return this.#readA();
      case Register.B:
        return this.#words[W.b];
      case Register.C:
        return this.#readC();
      case Register.D:
        return VRT;
      default:
        return this.#cells[index];
    }
  }

  protected writeByte(offset: number, value: number): void {
    if (offset === 0) {
      // Bit 7 is the PC's NMI mask, which is not the chip's.
      this.#words[W.index] = value & (CELLS - 1);
      return;
    }
    const index = this.#words[W.index];
    if (isTime(index)) return this.#writeTime(index, value);
    switch (index) {
      case Register.A:
        return this.#writeA(value & ~UIP);
      case Register.B:
        return this.#writeB(value);
      case Register.C:
      case Register.D:
        return;
      default:
        this.#cells[index] = value;
    }
  }

  /** The guest's time. */
  #time(): number {
    return Math.floor(this.#now()) + this.#numbers[N.offset];
  }

  get #dividerReset(): boolean {
    return this.#words[W.a] >> DV_SHIFT >= DV_RESET;
  }

  /** Whether no update cycles take place, so that the time bytes are plain memory. */
  get #stopped(): boolean {
    return (this.#words[W.b] & SET) !== 0 || this.#dividerReset;
  }

  #readA(): number {
    const a = this.#words[W.a];
    if (this.#stopped) return a;
    const time = this.#time();
    if (1000 - modulo(time, 1000) <= UPDATE_MS) {
      this.#numbers[N.heldTime] = HOLD_NOTHING;
      return a | UIP;
    }
    // Whoever sees UIP clear may read all bytes at leisure: they are those of this moment, however
    // late the vCPU gets to it. The chip promises no more than 244 µs.
    this.#numbers[N.heldTime] = time;
    return a;
  }

  #readTime(cell: number): number {
    if (this.#stopped) return this.#cells[cell];
    const time = this.#time();
    const held = this.#numbers[N.heldTime];
    if (time < held || time - held > HOLD_MS) this.#numbers[N.heldTime] = time;
    this.#date.setTime(this.#numbers[N.heldTime]);
    return timeByte(cell, this.#date, this.#words[W.b], this.#words[W.weekdayShift]);
  }

  #writeTime(cell: number, value: number): void {
    if (this.#stopped) {
      this.#cells[cell] = value;
      return;
    }
    this.#stop();
    this.#cells[cell] = value;
    this.#start();
  }

  /** Puts the current time into the bytes, where it stands still. */
  #stop(): void {
    this.#date.setTime(this.#time());
    for (let cell = 0; cell < CELLS; cell++) {
      if (isTime(cell)) {
        this.#cells[cell] = timeByte(
          cell,
          this.#date,
          this.#words[W.b],
          this.#words[W.weekdayShift],
        );
      }
    }
  }

  /** Goes on from the time in the bytes. The divider chain ran on: the seconds change when they would have. */
  #start(): void {
    const now = this.#time();
    const b = this.#words[W.b];
    const time = timeOf(this.#cells, b);
    this.#words[W.weekdayShift] = weekdayShiftOf(this.#cells, b, time);
    this.#shift(time + modulo(now, 1000) - now);
  }

  /** Sets the guest's clock forward, or back, by so much. */
  #shift(by: number): void {
    this.#numbers[N.offset] += by;
    this.#numbers[N.heldTime] = HOLD_NOTHING;
    this.#numbers[N.flagsSince] = this.#time();
  }

  #writeA(value: number): void {
    const wasStopped = this.#stopped;
    const wasReset = this.#dividerReset;
    if (!wasStopped && value >> DV_SHIFT >= DV_RESET) this.#stop();
    this.#words[W.a] = value;
    if (wasReset && !this.#dividerReset) {
      this.#shift(AFTER_DIVIDER_RESET_MS - modulo(this.#time(), 1000));
    }
    if (wasStopped && !this.#stopped) this.#start();
  }

  #writeB(value: number): void {
    const wasStopped = this.#stopped;
    if (!wasStopped && (value & SET) !== 0) this.#stop();
    // Setting SET clears UIE.
    this.#words[W.b] = (value & SET) !== 0 ? value & ~UIE : value;
    if (wasStopped && !this.#stopped) this.#start();
  }

  /** The flags of what has happened since the last read, which clears them. */
  #readC(): number {
    const time = this.#time();
    const since = this.#numbers[N.flagsSince];
    this.#numbers[N.flagsSince] = time;
    if (this.#stopped || time <= since) return 0;
    let flags = 0;
    const second = Math.floor(time / 1000);
    const secondSince = Math.floor(since / 1000);
    if (second !== secondSince) {
      flags |= UF;
      if (alarmIn(this.#cells, this.#words[W.b], secondSince, second)) flags |= AF;
    }
    const period = periodOf(this.#words[W.a] & RS);
    if (period > 0 && Math.floor(time / period) !== Math.floor(since / period)) flags |= PF;
    return (flags & this.#words[W.b]) !== 0 ? flags | IRQF : flags;
  }
}

/** Whether the byte at this offset shows the time. */
function isTime(index: number): boolean {
  switch (index) {
    case Cell.SECONDS:
    case Cell.MINUTES:
    case Cell.HOURS:
    case Cell.DAY_OF_WEEK:
    case Cell.DAY_OF_MONTH:
    case Cell.MONTH:
    case Cell.YEAR:
    case Cell.CENTURY:
      return true;
    default:
      return false;
  }
}

/** The period of PF in ms, with a 32768 Hz time base; 0 if it is off (table 5). */
function periodOf(rate: number): number {
  if (rate === 0) return 0;
  // The two fastest rates of the other time bases are not there: their codes repeat slower ones.
  const exponent = rate <= 2 ? rate + 6 : rate - 1;
  return 1000 * 2 ** exponent / 32768;
}

function modulo(value: number, by: number): number {
  return (value % by + by) % by;
}
