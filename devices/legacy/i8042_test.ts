import assert from "node:assert/strict";
import { TestRig } from "../test_rig.ts";
import { i8042 } from "./i8042.ts";

const DATA = 0x60, STATUS = 0x64, COMMAND = 0x64;
const OUTPUT_FULL = 0x01, INPUT_FULL = 0x02, SYSTEM_FLAG = 0x04, WAS_COMMAND = 0x08;
const NOT_INHIBITED = 0x10, AUX_DATA = 0x20, TIMEOUT = 0x40;

function controller(): TestRig {
  const rig = new TestRig();
  rig.attach(i8042, i8042.create({}));
  return rig;
}

/** Gives a command, with its data if it has some; the answer, or undefined if there is none. */
function ask(rig: TestRig, command: number, ...data: number[]): number | undefined {
  assert.equal(rig.in(STATUS) & INPUT_FULL, 0, "a driver never has to wait");
  rig.out(COMMAND, command);
  for (const byte of data) rig.out(DATA, byte);
  return (rig.in(STATUS) & OUTPUT_FULL) !== 0 ? rig.in(DATA) : undefined;
}

Deno.test("command 0xfe, a pulse on the reset line, resets the machine", () => {
  const rig = controller();
  rig.out(COMMAND, 0xfe);
  assert.deepEqual(rig.requests, ["reset i8042"]);
});

Deno.test("a pulse resets the machine only if it has the reset line's bit clear", () => {
  const rig = controller();
  for (const command of [0xff, 0xf1, 0xfd]) rig.out(COMMAND, command);
  assert.deepEqual(rig.requests, []);
  rig.out(COMMAND, 0xf0);
  assert.deepEqual(rig.requests, ["reset i8042"]);
});

Deno.test("the output port moves A20, and resets the machine when its bit 0 is written as 0", () => {
  const rig = controller();
  assert.equal(ask(rig, 0xd0), 0xcf, "A20 is open");
  ask(rig, 0xd1, 0xcd);
  assert.equal(ask(rig, 0xd0), 0xcd);
  assert.deepEqual(rig.requests, []);
  ask(rig, 0xd1, 0xce);
  assert.deepEqual(rig.requests, ["reset i8042"]);
});

Deno.test("the self-test passes and sets the system flag", () => {
  const rig = controller();
  ask(rig, 0x60, 0x00);
  assert.equal(rig.in(STATUS) & SYSTEM_FLAG, 0);
  assert.equal(ask(rig, 0xaa), 0x55);
  assert.equal(rig.in(STATUS) & SYSTEM_FLAG, SYSTEM_FLAG);
});

Deno.test("the command byte is kept, and the enable and disable commands change their bits of it", () => {
  const rig = controller();
  assert.equal(ask(rig, 0x20), 0x65);
  ask(rig, 0x60, 0x47);
  assert.equal(ask(rig, 0x20), 0x47);
  const after = (command: number) => {
    ask(rig, command);
    return ask(rig, 0x20);
  };
  assert.deepEqual([0xad, 0xa7, 0xae, 0xa8].map(after), [0x57, 0x77, 0x67, 0x47]);
});

Deno.test("the 32 bytes of RAM are apart", () => {
  const rig = controller();
  for (let at = 0; at < 32; at++) ask(rig, 0x60 + at, 0x80 + at);
  for (let at = 0; at < 32; at++) assert.equal(ask(rig, 0x20 + at), 0x80 + at);
});

Deno.test("a driver's search for an auxiliary port gets its answers at once, and finds none", () => {
  const rig = controller();
  rig.out(COMMAND, 0xd3);
  rig.out(DATA, 0x5a);
  const status = rig.in(STATUS);
  assert.equal(status & (OUTPUT_FULL | AUX_DATA), OUTPUT_FULL, "looped, but not as auxiliary data");
  assert.equal(rig.in(DATA), 0x5a);
  const test = ask(rig, 0xa9);
  assert.ok(test !== undefined && ![0x00, 0xfa, 0xff].includes(test), "the port's lines are stuck");
});

Deno.test("a byte for the keyboard, or the auxiliary device, comes back as a time-out", () => {
  const rig = controller();
  for (const send of [() => rig.out(DATA, 0xf2), () => ask(rig, 0xa8) ?? rig.out(COMMAND, 0xd4)]) {
    send();
    if ((rig.in(STATUS) & OUTPUT_FULL) === 0) rig.out(DATA, 0xff);
    assert.equal(rig.in(STATUS) & (OUTPUT_FULL | TIMEOUT), OUTPUT_FULL | TIMEOUT);
    assert.equal(rig.in(DATA), 0xfe);
    assert.equal(rig.in(STATUS) & (OUTPUT_FULL | TIMEOUT), 0);
  }
});

Deno.test("an answer replaces one that nobody has read", () => {
  const rig = controller();
  rig.out(DATA, 0xf2);
  assert.equal(ask(rig, 0xaa), 0x55);
  assert.equal(rig.in(STATUS) & OUTPUT_FULL, 0);
});

Deno.test("a command that awaits data is dropped when another command comes first", () => {
  const rig = controller();
  rig.out(COMMAND, 0xd1);
  assert.equal(ask(rig, 0xab), 0x00);
  rig.out(DATA, 0x00);
  assert.deepEqual(rig.requests, [], "the byte went to the keyboard, not to the output port");
});

Deno.test("the status tells that the lock is open, and to which port was written last", () => {
  const rig = controller();
  assert.equal(rig.in(STATUS), NOT_INHIBITED | SYSTEM_FLAG);
  rig.out(COMMAND, 0xae);
  assert.equal(rig.in(STATUS), NOT_INHIBITED | SYSTEM_FLAG | WAS_COMMAND);
  rig.out(COMMAND, 0x60);
  rig.out(DATA, 0x45);
  assert.equal(rig.in(STATUS), NOT_INHIBITED | SYSTEM_FLAG);
});

Deno.test("the input port, the test inputs and the keyboard's interface are answered", () => {
  const rig = controller();
  assert.deepEqual([0xc0, 0xe0, 0xab].map((command) => ask(rig, command)), [0xb0, 0x00, 0x00]);
});

Deno.test("a command that the controller does not have is not answered", () => {
  const rig = controller();
  assert.equal(ask(rig, 0x9a), undefined);
  assert.deepEqual(rig.requests, []);
});

Deno.test("the ports between data and command belong to nobody", () => {
  const rig = controller();
  assert.equal(rig.in(0x61), 0xff);
  assert.equal(rig.pio.unclaimedReads, 1);
});
