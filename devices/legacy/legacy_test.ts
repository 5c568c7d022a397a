import assert from "node:assert/strict";
import fc from "fast-check";
import type { AccessSize, BusDevice } from "../../src/bus/mod.ts";
import type { DeviceModule, DeviceSpec } from "../device.ts";
import { type DeviceState, DeviceStateError } from "../state.ts";
import { TestRig } from "../test_rig.ts";
import * as legacy from "./mod.ts";
import { acpiPm, debugExit, i8042, port92, postCode, rtc, serial } from "./mod.ts";

/** Each device, made the way that leaves it most to do: the serial port's host does not read. */
interface Subject {
  readonly kind: string;
  readonly module: DeviceModule<never, DeviceSpec>;
  readonly create: () => DeviceSpec;
}

function subject<O, S extends DeviceSpec>(module: DeviceModule<O, S>, options: O): Subject {
  return { kind: module.kind, module, create: () => module.create(options) };
}

const subjects: readonly Subject[] = [
  subject(serial, { base: 0x3f8, irqFd: 4, outputCapacity: 16, inputCapacity: 64 }),
  subject(i8042, {}),
  subject(rtc, { memoryBelow4G: 2 ** 31, memoryAbove4G: 2 ** 33 }),
  subject(debugExit, {}),
  subject(postCode, {}),
  subject(acpiPm, {}),
  subject(port92, {}),
];

interface Access {
  readonly range: number;
  readonly place: number;
  readonly size: AccessSize;
  readonly value: number;
  readonly write: boolean;
}

const accesses = fc.array(
  fc.record({
    range: fc.nat(7),
    place: fc.nat(15),
    size: fc.constantFrom<AccessSize>(1, 2, 4),
    value: fc.oneof(fc.nat(0xff), fc.integer({ min: 0, max: 0xffff_ffff })),
    write: fc.boolean(),
  }),
  { maxLength: 150 },
);

/** One device in one isolate, reached without the bus, which would mask what it returns. */
class Probe {
  readonly rig = new TestRig();
  readonly ranges: readonly { size: number; device: BusDevice }[];

  constructor(subject: Subject, spec: DeviceSpec) {
    // A device that waits for the host would wait for ever: nobody plays the host here.
    this.rig.interrupted = true;
    this.ranges = subject.module.attach(spec, this.rig.context).ranges;
  }

  /** Makes an access inside one of the ranges; -1 for a write, or if it fits nowhere. */
  access({ range, place, size, value, write }: Access): number {
    const { size: length, device } = this.ranges[range % this.ranges.length];
    if (size > length) return -1;
    const offset = place % (length - size + 1);
    if (!write) return device.read(offset, size);
    device.write(offset, size, size === 4 ? value : value % 2 ** (8 * size));
    return -1;
  }
}

Deno.test("the subjects of these tests are all devices of this folder", () => {
  const modules = Object.values(legacy).filter((value) => typeof value === "object");
  const kinds = modules.filter((module) => "kind" in module).map((module) => module.kind);
  assert.deepEqual(subjects.map((subject) => subject.kind).toSorted(), kinds.toSorted());
});

for (const subject of subjects) {
  Deno.test(`${subject.kind}: no sequence of accesses throws, hangs or reads beyond its size`, () => {
    fc.assert(
      fc.property(accesses, (steps) => {
        const probe = new Probe(subject, subject.create());
        for (const step of steps) {
          const value = probe.access(step);
          const limit = 2 ** (8 * step.size);
          assert.ok(Number.isInteger(value) && value >= -1 && value < limit, `${value}`);
          if (value === -1) assert.ok(step.write || step.size > 1, "every range takes bytes");
        }
      }),
      { numRuns: 300 },
    );
  });

  Deno.test(`${subject.kind}: its spec can be cloned, and the clone is the same device`, () => {
    fc.assert(fc.property(accesses, (steps) => {
      const spec = subject.create();
      const probe = new Probe(subject, spec);
      for (const step of steps) probe.access(step);
      const clone = structuredClone(spec);
      assert.deepEqual(subject.module.save(clone), subject.module.save(spec));
      const other = new Probe(subject, clone);
      for (const step of steps) other.access(step);
      assert.deepEqual(subject.module.save(clone), subject.module.save(spec));
    }));
  });

  Deno.test(`${subject.kind}: what was saved, sent through JSON and restored is saved the same`, () => {
    fc.assert(fc.property(accesses, (steps) => {
      const spec = subject.create();
      const probe = new Probe(subject, spec);
      for (const step of steps) probe.access(step);
      const saved = JSON.parse(JSON.stringify(subject.module.save(spec)));
      const twin = subject.create();
      subject.module.restore(twin, saved);
      assert.deepEqual(subject.module.save(twin), saved);
    }));
  });

  Deno.test(`${subject.kind}: state of a future version, or with a strange field, is refused`, () => {
    const spec = subject.create();
    const saved = subject.module.save(spec);
    for (const change of [{ version: 99 }, { surprise: 1 }] as Partial<DeviceState>[]) {
      assert.throws(
        () => subject.module.restore(spec, { ...saved, ...change } as DeviceState),
        DeviceStateError,
      );
      assert.deepEqual(subject.module.save(spec), saved);
    }
  });

  Deno.test(`${subject.kind}: no mutation of saved state restores into a device that misbehaves`, () => {
    const mutation = fc.record({
      field: fc.nat(40),
      value: fc.oneof(
        fc.integer(),
        fc.double(),
        fc.constantFrom(null, "x", [], [256], {}, -1),
        fc.array(fc.nat(255), { maxLength: 130 }),
      ),
    });
    fc.assert(fc.property(mutation, accesses, ({ field, value }, steps) => {
      const spec = subject.create();
      const saved: Record<string, unknown> = { ...subject.module.save(spec) };
      const names = Object.keys(saved);
      saved[names[field % names.length]] = value;
      try {
        subject.module.restore(spec, saved as DeviceState);
      } catch (error) {
        assert.ok(error instanceof DeviceStateError, String(error));
      }
      const probe = new Probe(subject, spec);
      for (const step of steps) {
        const read = probe.access(step);
        assert.ok(Number.isInteger(read) && read >= -1 && read < 2 ** (8 * step.size));
      }
    }));
  });
}

// The serial port's twin needs a host for its output, and the clock's the same host time: their own
// tests do this with those.
for (const subject of subjects.filter(({ kind }) => kind !== serial.kind && kind !== rtc.kind)) {
  Deno.test(`${subject.kind}: a restored device answers and asks like the original`, () => {
    fc.assert(fc.property(accesses, accesses, (before, after) => {
      const spec = subject.create();
      const probe = new Probe(subject, spec);
      for (const step of before) probe.access(step);
      probe.rig.requests.length = 0;
      const twin = subject.create();
      subject.module.restore(twin, subject.module.save(spec));
      const other = new Probe(subject, twin);
      for (const step of after) assert.equal(other.access(step), probe.access(step));
      assert.deepEqual(other.rig.requests, probe.rig.requests);
    }));
  });
}
