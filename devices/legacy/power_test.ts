import assert from "node:assert/strict";
import { TestRig } from "../test_rig.ts";
import {
  ACPI_PM_PORT,
  acpiPm,
  RESET_REG,
  RESET_VALUE,
  SLEEP_CONTROL_REG,
  SLEEP_STATUS_REG,
  SLP_TYP_S5,
} from "./acpi_pm.ts";
import { DEBUG_EXIT_PORT, debugExit } from "./debug_exit.ts";
import { port92 } from "./port92.ts";
import { lastPostCode, POST_CODE_PORT, postCode } from "./post_code.ts";

const SLP_EN = 0x20;

function acpi(): TestRig {
  const rig = new TestRig();
  rig.attach(acpiPm, acpiPm.create({}));
  return rig;
}

Deno.test("S5 with SLP_EN switches the machine off", () => {
  const rig = acpi();
  rig.out(ACPI_PM_PORT + SLEEP_CONTROL_REG, SLP_TYP_S5 << 2);
  assert.deepEqual(rig.requests, [], "the type alone does nothing");
  rig.out(ACPI_PM_PORT + SLEEP_CONTROL_REG, SLP_TYP_S5 << 2 | SLP_EN);
  assert.deepEqual(rig.requests, ["power-off acpi"]);
});

Deno.test("no other sleep type does anything", () => {
  const rig = acpi();
  for (let type = 0; type < 8; type++) {
    if (type !== SLP_TYP_S5) rig.out(ACPI_PM_PORT + SLEEP_CONTROL_REG, type << 2 | SLP_EN);
  }
  assert.deepEqual(rig.requests, []);
});

Deno.test("SLP_TYP reads back, SLP_EN reads 0, and the machine never woke from sleep", () => {
  const rig = acpi();
  rig.out(ACPI_PM_PORT + SLEEP_CONTROL_REG, 0xff & ~(1 << 3));
  assert.equal(rig.in(ACPI_PM_PORT + SLEEP_CONTROL_REG), 0b101 << 2);
  rig.out(ACPI_PM_PORT + SLEEP_STATUS_REG, 0xff);
  assert.equal(rig.in(ACPI_PM_PORT + SLEEP_STATUS_REG), 0);
});

Deno.test("the reset value in the reset register resets the machine, and no other value does", () => {
  const rig = acpi();
  for (let value = 0; value < 256; value++) {
    if (value !== RESET_VALUE) rig.out(ACPI_PM_PORT + RESET_REG, value);
  }
  assert.deepEqual(rig.requests, []);
  rig.out(ACPI_PM_PORT + RESET_REG, RESET_VALUE);
  assert.deepEqual(rig.requests, ["reset acpi"]);
});

Deno.test("the ACPI registers can be elsewhere", () => {
  const rig = new TestRig();
  rig.attach(acpiPm, acpiPm.create({ base: 0xb000 }));
  rig.out(0xb000, SLP_TYP_S5 << 2 | SLP_EN);
  assert.deepEqual(rig.requests, ["power-off acpi"]);
});

for (const [size, value, status] of [[1, 0x2a, 42], [2, 0xff03, 3], [4, 0x8000_0100, 0]] as const) {
  Deno.test(`a write of ${size} bytes to the debug exit gives the low byte as the status`, () => {
    const rig = new TestRig();
    rig.attach(debugExit, debugExit.create({}));
    rig.pio.write(DEBUG_EXIT_PORT, size, value);
    assert.deepEqual(rig.requests, [`exit ${status}`]);
  });
}

Deno.test("the debug exit's upper ports do nothing, and all of it reads as 0", () => {
  const rig = new TestRig();
  rig.attach(debugExit, debugExit.create({ base: 0x501 }));
  for (let offset = 1; offset < 4; offset++) rig.out(0x501 + offset, 1);
  assert.deepEqual(rig.requests, []);
  assert.equal(rig.pio.read(0x501, 4), 0);
});

Deno.test("port 0x92 resets when bit 0 rises, and keeps A20", () => {
  const rig = new TestRig();
  rig.attach(port92, port92.create({}));
  assert.equal(rig.in(0x92), 2, "firmware has opened the gate");
  rig.out(0x92, 0xfc);
  assert.equal(rig.in(0x92), 0);
  rig.out(0x92, 2);
  assert.deepEqual(rig.requests, []);
  rig.out(0x92, 3);
  rig.out(0x92, 3);
  assert.deepEqual(rig.requests, ["reset port 0x92"], "once: it did not rise again");
});

Deno.test("the POST code port keeps the last code and counts the writes, in every isolate", () => {
  const spec = postCode.create({});
  const one = new TestRig(), two = new TestRig();
  one.attach(postCode, spec);
  two.attach(postCode, spec);
  assert.deepEqual(lastPostCode(spec), { code: 0, writes: 0 });
  one.out(POST_CODE_PORT, 0x55);
  two.out(POST_CODE_PORT, 0xaa);
  assert.equal(one.in(POST_CODE_PORT), 0xaa);
  assert.deepEqual(lastPostCode(spec), { code: 0xaa, writes: 2 });
});

Deno.test("the count of POST codes wraps instead of leaving its bounds", () => {
  const spec = postCode.create({});
  postCode.restore(spec, { version: 1, code: 0, writes: 0xffff_ffff });
  const rig = new TestRig();
  rig.attach(postCode, spec);
  rig.out(POST_CODE_PORT, 1);
  assert.deepEqual(lastPostCode(spec), { code: 1, writes: 0 });
});
