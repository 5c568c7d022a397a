import assert from "node:assert/strict";
import fc from "fast-check";
import { TestRig } from "../test_rig.ts";
import { attachRtc, rtc, type RtcSpec } from "./rtc.ts";

const A = 0x0a, B = 0x0b, C = 0x0c, D = 0x0d;
const UIP = 0x80, SET = 0x80, DM = 0x04, HOURS_24 = 0x02;
const DIVIDER_RESET = 0x60;

/** A clock whose host time the test sets. */
class Clock extends TestRig {
  now: number;

  constructor(now: string | number, readonly spec: RtcSpec = rtc.create({ memoryBelow4G: 0 })) {
    super();
    this.now = typeof now === "string" ? Date.parse(now) : now;
    const { ranges, lock } = attachRtc(structuredClone(spec), () => this.now);
    for (const { base, size, device } of ranges) this.pio.insert(base, size, device, lock);
  }

  get(cell: number): number {
    this.out(0x70, cell);
    return this.in(0x71);
  }

  set(cell: number, value: number): void {
    this.out(0x70, cell);
    this.out(0x71, value);
  }

  /** Looks at UIP as drivers do, then gives year to second as the chip shows it, in hexadecimal: BCD reads as written. */
  shown(): string {
    this.get(A);
    const two = (cell: number) => this.get(cell).toString(16).padStart(2, "0");
    return `${two(0x32)}${two(9)}-${two(8)}-${two(7)} ${two(4)}:${two(2)}:${two(0)} day ${two(6)}`;
  }

  /** Sets the time as Linux does: stopped, and with the divider chain in reset. */
  setTime(bytes: Readonly<Record<number, number>>): void {
    const b = this.get(B);
    this.set(B, b | SET);
    const a = this.get(A);
    this.set(A, a | DIVIDER_RESET);
    for (const [cell, value] of Object.entries(bytes)) this.set(Number(cell), value);
    this.set(B, b);
    this.set(A, a);
  }
}

/** What a guest makes of the bytes, in any mode: ms since 1970. `tick` runs before each read. */
function readTime(clock: Clock, tick: () => void = () => {}): number {
  const get = (cell: number) => {
    tick();
    return clock.get(cell);
  };
  const b = clock.get(B);
  for (let tries = 0; (get(A) & UIP) !== 0; tries++) assert.ok(tries < 1000, "UIP goes away");
  const number = (byte: number) => (b & DM) !== 0 ? byte : (byte >> 4) * 10 + (byte & 15);
  const [second, minute, hourByte] = [number(get(0)), number(get(2)), get(4)];
  const [day, month, year, century] = [7, 8, 9, 0x32].map((cell) => number(get(cell)));
  const hour = (b & HOURS_24) !== 0
    ? number(hourByte)
    : number(hourByte & 0x7f) % 12 + (hourByte >> 7) * 12;
  const date = new Date(0);
  date.setUTCFullYear(century * 100 + year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  return date.getTime();
}

Deno.test("the clock shows the host's time in UTC, in BCD and 24 hours, as firmware leaves it", () => {
  const clock = new Clock("2026-11-22T15:34:56.250Z");
  assert.equal(clock.shown(), "2026-11-22 15:34:56 day 01");
  clock.now = Date.parse("2028-02-29T23:59:59.000Z");
  assert.equal(clock.shown(), "2028-02-29 23:59:59 day 03");
  assert.equal(clock.get(A), 0x26);
  assert.equal(clock.get(B), HOURS_24);
  assert.equal(clock.get(D), 0x80);
});

Deno.test("register B chooses binary, and 12 hours with PM in bit 7", () => {
  const clock = new Clock("2026-11-22T00:34:56Z");
  clock.set(B, DM | HOURS_24);
  assert.deepEqual([0, 2, 4, 7, 8, 9, 0x32].map((cell) => clock.get(cell)), [
    56,
    34,
    0,
    22,
    11,
    26,
    20,
  ]);
  const hours: [string, number, number][] = [
    ["00", 0x12, 12],
    ["01", 0x01, 1],
    ["11", 0x11, 11],
    ["12", 0x92, 0x8c],
    ["13", 0x81, 0x81],
    ["23", 0x91, 0x8b],
  ];
  for (const [hour, bcd, binary] of hours) {
    clock.now = Date.parse(`2026-11-22T${hour}:00:00Z`);
    clock.set(B, 0);
    clock.get(A);
    assert.equal(clock.get(4), bcd, `${hour} in BCD`);
    clock.set(B, DM);
    assert.equal(clock.get(4), binary, `${hour} in binary`);
  }
});

Deno.test("any moment from 1970 to 9999 is read as it is, in all four modes", () => {
  const moments = fc.integer({ min: 0, max: 253402300799 });
  fc.assert(fc.property(moments, fc.constantFrom(0, DM, HOURS_24, DM | HOURS_24), (second, b) => {
    const clock = new Clock(second * 1000 + 500);
    clock.set(B, b);
    assert.equal(readTime(clock), second * 1000);
  }));
});

Deno.test("a guest that reads slowly across the end of a year never gets a torn time", () => {
  // Each register access takes up to 5 ms, and the year may end at any of them.
  const end = Date.parse("2027-01-01T00:00:00Z");
  const delays = fc.array(fc.nat(5), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(fc.integer({ min: -80, max: 10 }), delays, (start, delays) => {
      const clock = new Clock(end + start);
      let i = 0;
      const seen = readTime(clock, () => void (clock.now += delays[i++ % delays.length] || 1));
      assert.ok(seen === end - 1000 || seen === end, new Date(seen).toISOString());
      assert.ok(seen <= clock.now && clock.now - seen < 2000);
    }),
    { numRuns: 500 },
  );
});

Deno.test("UIP rises before the end of each second, and falls as the seconds change", () => {
  const clock = new Clock("2026-11-22T15:34:56.000Z");
  const uip = [];
  for (let ms = 0; ms < 2000; ms++, clock.now++) if ((clock.get(A) & UIP) !== 0) uip.push(ms);
  assert.deepEqual(uip, [998, 999, 1998, 1999]);
  assert.equal(clock.get(0), 0x58);
});

Deno.test("software that polls the seconds alone sees them change within a tenth of a second", () => {
  const clock = new Clock("2026-11-22T15:34:56.000Z");
  let last = clock.get(0), changes = 0;
  for (let ms = 0; ms < 10_000; ms++, clock.now++) {
    const seconds = clock.get(0);
    if (seconds === last) continue;
    last = seconds;
    changes++;
    assert.ok(clock.now % 1000 <= 101, `changed ${clock.now % 1000} ms late`);
  }
  assert.equal(changes, 9);
});

Deno.test("a time that the guest sets goes on from there, and the host's clock is not asked again", () => {
  const clock = new Clock("2026-11-22T15:34:56.200Z");
  clock.setTime({ 0x32: 0x19, 9: 0x99, 8: 0x12, 7: 0x31, 6: 0x06, 4: 0x23, 2: 0x59, 0: 0x58 });
  assert.equal(clock.shown(), "1999-12-31 23:59:58 day 06");
  clock.now += 499;
  assert.equal(clock.shown(), "1999-12-31 23:59:58 day 06");
  clock.now += 1;
  assert.equal(clock.shown(), "1999-12-31 23:59:59 day 06", "the first second is half a one");
  clock.now += 1000;
  assert.equal(clock.shown(), "2000-01-01 00:00:00 day 07");
  clock.now += 366 * 86_400_000;
  assert.equal(clock.shown(), "2001-01-01 00:00:00 day 02");
});

Deno.test("while SET is on, the bytes stand still and keep what is written, and UIP is off", () => {
  const clock = new Clock("2026-11-22T15:34:56.100Z");
  clock.set(B, HOURS_24 | SET);
  clock.now += 5_899;
  assert.equal(clock.shown(), "2026-11-22 15:34:56 day 01");
  assert.equal(clock.get(A) & UIP, 0);
  clock.set(0, 0xff);
  assert.equal(clock.get(0), 0xff);
  clock.set(0, 0x10);
  clock.set(B, HOURS_24);
  assert.equal(clock.shown(), "2026-11-22 15:34:10 day 01");
  clock.now += 1;
  assert.equal(clock.shown(), "2026-11-22 15:34:11 day 01", "the divider chain ran on meanwhile");
});

Deno.test("a byte written while the clock runs changes that part of the time alone", () => {
  const clock = new Clock("2026-11-22T15:34:56.100Z");
  clock.set(4, 0x07);
  assert.equal(clock.shown(), "2026-11-22 07:34:56 day 01");
  clock.set(6, 0x05);
  assert.equal(clock.shown(), "2026-11-22 07:34:56 day 05");
  clock.now += 86_400_000;
  assert.equal(clock.shown(), "2026-11-23 07:34:56 day 06");
});

Deno.test("a guest's time that the host's clock is set back under goes back with it", () => {
  const clock = new Clock("2026-11-22T15:34:56Z");
  clock.shown();
  clock.now -= 3_600_000;
  assert.equal(clock.shown(), "2026-11-22 14:34:56 day 01");
});

Deno.test("register C tells once that a second has ended", () => {
  const clock = new Clock("2026-11-22T15:34:56.000Z");
  clock.set(A, 0x20);
  clock.get(C);
  assert.equal(clock.get(C), 0);
  clock.now += 999;
  assert.equal(clock.get(C), 0);
  clock.now += 1;
  assert.equal(clock.get(C), 0x10);
  assert.equal(clock.get(C), 0);
  clock.now -= 5000;
  assert.equal(clock.get(C), 0, "nothing has happened when the host's clock was set back");
});

Deno.test("the alarm matches its time of day, with 0xc0 and above matching any", () => {
  const alarm = (seconds: number, minutes: number, hours: number, b = HOURS_24) => {
    const clock = new Clock("2026-11-22T15:34:56.000Z");
    clock.set(B, b);
    clock.set(1, seconds);
    clock.set(3, minutes);
    clock.set(5, hours);
    clock.get(C);
    for (let second = 1; second <= 120; second++) {
      clock.now += 1000;
      if ((clock.get(C) & 0x20) !== 0) return second;
    }
    return 0;
  };
  assert.equal(alarm(0x59, 0x34, 0x15), 3);
  assert.equal(alarm(0x05, 0x35, 0xc0), 9);
  assert.equal(alarm(0x10, 0xff, 0xc5), 14);
  assert.equal(alarm(0xc0, 0xc0, 0xc0), 1);
  assert.equal(alarm(0x59, 0x34, 0x16), 0);
  assert.equal(alarm(59, 34, 15, HOURS_24 | DM), 3);
  assert.equal(alarm(0x59, 0x34, 0x83, 0), 3, "3 PM");
  assert.equal(alarm(0x7f, 0x34, 0x15), 0, "a time that never comes");
});

Deno.test("the periodic flag comes at the selected rate, and IRQF when a flag's interrupt is enabled", () => {
  const clock = new Clock("2026-11-22T15:34:56.000Z");
  clock.set(1, 0x7f);
  const flags = (ms: number) => {
    clock.now += ms;
    return clock.get(C);
  };
  clock.set(A, 0x2f);
  flags(0);
  assert.equal(flags(499), 0);
  assert.equal(flags(1), 0x40, "2 Hz");
  assert.equal(flags(500), 0x40 | 0x10);
  assert.equal(flags(0), 0);
  clock.set(A, 0x26);
  assert.equal(flags(1), 0x40, "1024 Hz");
  clock.set(A, 0x20);
  assert.equal(flags(100), 0, "off");
  clock.set(B, HOURS_24 | 0x10);
  assert.equal(flags(1000), 0x80 | 0x10);
  clock.set(B, HOURS_24 | 0x10 | SET);
  assert.equal(clock.get(B), HOURS_24 | SET, "SET turns the update interrupt off");
});

Deno.test("the index has seven bits: bit 7 masks NMI on a PC and is not the chip's", () => {
  const clock = new Clock("2026-11-22T15:34:56Z");
  clock.set(0x80 | 0x40, 0x5a);
  assert.equal(clock.get(0x40), 0x5a);
  assert.equal(clock.in(0x70), 0xff);
});

Deno.test("a 16-bit write to port 0x70 gives index and data at once", () => {
  const clock = new Clock("2026-11-22T15:34:56Z");
  clock.pio.write(0x70, 2, 0xa541);
  assert.equal(clock.get(0x41), 0xa5);
});

Deno.test("the memory size stands where firmware leaves it, with the checksum of its bytes", () => {
  const MIB = 2 ** 20;
  const words = (below: number, above: number) => {
    const clock = new Clock(0, rtc.create({ memoryBelow4G: below, memoryAbove4G: above }));
    const word = (at: number) => clock.get(at) | clock.get(at + 1) << 8;
    let sum = 0;
    for (let at = 0x10; at < 0x2e; at++) sum += clock.get(at);
    assert.equal(clock.get(0x2e) << 8 | clock.get(0x2f), sum);
    assert.equal(word(0x17), word(0x30));
    return [word(0x15), word(0x17), word(0x34), word(0x5b) | clock.get(0x5d) << 16];
  };
  assert.deepEqual(words(0, 0), [0, 0, 0, 0]);
  assert.deepEqual(words(512 * 1024, 0), [512, 0, 0, 0]);
  assert.deepEqual(words(16 * MIB, 0), [640, 15 * 1024, 0, 0]);
  assert.deepEqual(words(128 * MIB, 0), [640, 65535, 112 * 16, 0]);
  assert.deepEqual(words(3072 * MIB, 3072 * MIB), [640, 65535, 3056 * 16, 3072 * 16]);
  assert.deepEqual(words(4096 * MIB, 2 ** 41), [640, 65535, 4080 * 16, 0xffffff]);
});

Deno.test("a size of memory that is none is refused", () => {
  for (const size of [-1, 1.5, NaN, Infinity]) {
    assert.throws(() => rtc.create({ memoryBelow4G: size }), /memoryBelow4G is .*bytes/);
    assert.throws(() => rtc.create({ memoryBelow4G: 0, memoryAbove4G: size }), RangeError);
  }
});

Deno.test("attached by its module, it shows the host's own clock", () => {
  const rig = new TestRig();
  rig.attach(rtc, rtc.create({ memoryBelow4G: 0 }));
  const year = () => {
    rig.out(0x70, 9);
    return rig.in(0x71);
  };
  const expected = (date: Date) => parseInt(String(date.getUTCFullYear() % 100), 16);
  const before = expected(new Date());
  const seen = year();
  assert.ok(seen === before || seen === expected(new Date()));
});

/** Accesses, with time passing before each. */
const accesses = fc.array(
  fc.record({
    ms: fc.oneof(fc.nat(3), fc.nat(5000), fc.nat(2 ** 31)),
    cell: fc.oneof(fc.nat(13), fc.constant(0x32), fc.nat(255)),
    value: fc.nat(255),
    write: fc.boolean(),
  }),
  { maxLength: 60 },
);
type Access = { ms: number; cell: number; value: number; write: boolean };

function observe(clock: Clock, steps: readonly Access[]): number[] {
  return steps.map(({ ms, cell, value, write }) => {
    clock.now += ms;
    if (write) clock.set(cell, value);
    return clock.get(cell);
  });
}

Deno.test("a clock restored from saved state goes on exactly like the one that was saved", () => {
  fc.assert(fc.property(accesses, accesses, (before, after) => {
    const clock = new Clock("2026-11-22T15:34:56Z");
    observe(clock, before);
    const saved = JSON.parse(JSON.stringify(rtc.save(clock.spec)));
    const twin = new Clock(clock.now);
    rtc.restore(twin.spec, saved);
    assert.deepEqual(rtc.save(twin.spec), saved);
    assert.deepEqual(observe(twin, after), observe(clock, after));
  }));
});

Deno.test("whatever bytes the guest sets, every byte it reads is one, and the clock ticks on", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(255), { minLength: 8, maxLength: 8 }), fc.nat(7), (bytes, b) => {
      const clock = new Clock("2026-11-22T15:34:56Z");
      clock.set(B, b);
      const cells = [0, 2, 4, 6, 7, 8, 9, 0x32];
      clock.setTime(Object.fromEntries(cells.map((cell, i) => [cell, bytes[i]])));
      for (const cell of cells) {
        const raw = clock.get(cell);
        assert.ok(Number.isInteger(raw) && raw >= 0 && raw <= 255);
      }
      const first = readTime(clock);
      clock.now += 1000;
      const second = readTime(clock);
      assert.ok(second - first === 1000 || second < first, "one second on, or past year 9999");
    }),
  );
});
