/**
 * How an MC146818 writes a date and time in its bytes, and back: binary or BCD, 12 or 24 hours.
 *
 * @module
 */

/** Offsets of the time, calendar and alarm bytes (MC146818 data sheet, figure 13). */
export const Cell = {
  SECONDS: 0x00,
  SECONDS_ALARM: 0x01,
  MINUTES: 0x02,
  MINUTES_ALARM: 0x03,
  HOURS: 0x04,
  HOURS_ALARM: 0x05,
  /** 1 is Sunday. */
  DAY_OF_WEEK: 0x06,
  DAY_OF_MONTH: 0x07,
  MONTH: 0x08,
  YEAR: 0x09,
  /** Not of the chip but of the PC: the FADT's CENTURY field says where it is. */
  CENTURY: 0x32,
} as const;

/** Register B: data mode (binary, else BCD) and 24-hour mode. */
const DM = 1 << 2;
const HOURS_24 = 1 << 1;

/** Bit 7 of an hours byte in 12-hour mode. */
const PM = 0x80;

const DAY_SECONDS = 86_400;

/** A number from 0 to 99 as register B wants it. */
function encode(value: number, registerB: number): number {
  return (registerB & DM) !== 0 ? value : Math.floor(value / 10) << 4 | value % 10;
}

/** The lowest two digits: a guest can set its clock before year 0 and after year 9999. */
function twoDigits(value: number): number {
  return (value % 100 + 100) % 100;
}

/** The number that a byte stands for; the guest may have written digits above 9. */
function decode(byte: number, registerB: number): number {
  return (registerB & DM) !== 0 ? byte : (byte >> 4) * 10 + (byte & 0x0f);
}

function encodeHours(hours: number, registerB: number): number {
  if ((registerB & HOURS_24) !== 0) return encode(hours, registerB);
  return encode(hours % 12 === 0 ? 12 : hours % 12, registerB) | (hours >= 12 ? PM : 0);
}

function decodeHours(byte: number, registerB: number): number {
  if ((registerB & HOURS_24) !== 0) return decode(byte, registerB);
  return decode(byte & ~PM, registerB) % 12 + ((byte & PM) !== 0 ? 12 : 0);
}

/**
 * One byte of a point in time.
 *
 * @param cell Which; a time or calendar byte of {@linkcode Cell}.
 * @param date The point in time, UTC.
 * @param weekdayShift How many days the chip's day of the week is ahead of the calendar's.
 */
export function timeByte(
  cell: number,
  date: Date,
  registerB: number,
  weekdayShift: number,
): number {
  switch (cell) {
    case Cell.SECONDS:
      return encode(date.getUTCSeconds(), registerB);
    case Cell.MINUTES:
      return encode(date.getUTCMinutes(), registerB);
    case Cell.HOURS:
      return encodeHours(date.getUTCHours(), registerB);
    case Cell.DAY_OF_WEEK:
      return encode((date.getUTCDay() + weekdayShift) % 7 + 1, registerB);
    case Cell.DAY_OF_MONTH:
      return encode(date.getUTCDate(), registerB);
    case Cell.MONTH:
      return encode(date.getUTCMonth() + 1, registerB);
    case Cell.YEAR:
      return encode(twoDigits(date.getUTCFullYear()), registerB);
    default:
      return encode(twoDigits(Math.floor(date.getUTCFullYear() / 100)), registerB);
  }
}

/**
 * The point in time that the bytes name, in ms since 1970, UTC. Bytes that name none (month 13, the
 * 31st of February) mean what a calendar makes of them by carrying over.
 */
export function timeOf(cells: Uint8Array, registerB: number): number {
  const field = (cell: number) => decode(cells[cell], registerB);
  const date = new Date(0);
  date.setUTCFullYear(
    field(Cell.CENTURY) * 100 + field(Cell.YEAR),
    field(Cell.MONTH) - 1,
    field(Cell.DAY_OF_MONTH),
  );
  date.setUTCHours(
    decodeHours(cells[Cell.HOURS], registerB),
    field(Cell.MINUTES),
    field(Cell.SECONDS),
  );
  return date.getTime();
}

/** How many days the day-of-week byte is ahead of the calendar's at `time`, in ms since 1970. */
export function weekdayShiftOf(cells: Uint8Array, registerB: number, time: number): number {
  const written = decode(cells[Cell.DAY_OF_WEEK], registerB);
  const calendar = new Date(time).getUTCDay();
  return (written + 6 - calendar + 7 * 40) % 7;
}

/**
 * Whether the alarm's time came in a stretch of time: after second `since`, up to second `until`,
 * both since 1970. A byte of 0xc0 or more matches everything.
 */
export function alarmIn(
  cells: Uint8Array,
  registerB: number,
  since: number,
  until: number,
): boolean {
  const any = (byte: number) => byte >= 0xc0;
  const second = cells[Cell.SECONDS_ALARM];
  const minute = cells[Cell.MINUTES_ALARM];
  const hour = cells[Cell.HOURS_ALARM];
  const wanted = [
    decode(second, registerB),
    decode(minute, registerB),
    decodeHours(hour, registerB),
  ];
  // A day has every time of day in it, so a longer stretch need not be searched.
  for (let at = Math.max(since, until - DAY_SECONDS) + 1; at <= until; at++) {
    if (
      (any(second) || at % 60 === wanted[0]) &&
      (any(minute) || Math.floor(at / 60) % 60 === wanted[1]) &&
      (any(hour) || Math.floor(at / 3600) % 24 === wanted[2])
    ) return true;
  }
  return false;
}
