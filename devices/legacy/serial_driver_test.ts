import assert from "node:assert/strict";
import fc from "fast-check";
import { ByteRing } from "../byte_ring.ts";
import { DeviceStateError } from "../state.ts";
import { TestRig } from "../test_rig.ts";
import { serial } from "./serial.ts";
import { FCR, LCR, LSR, MCR, MSR, Register } from "./serial_registers.ts";
import { COM1, Port } from "./serial_test_rig.ts";

Deno.test("a driver's probe finds a 16550A and no other of its family", () => {
  // The steps of Linux's 8250 driver: IER holds bits, loopback mirrors the modem, FCR shows FIFOs,
  // and none of the registers of the 16650, 16750, 16950 and NS16550 high-speed parts answers.
  const port = new Port();
  port.set(Register.IER, 0);
  assert.equal(port.get(Register.IER) & 0x0f, 0);
  port.set(Register.IER, 0x0f);
  assert.equal(port.get(Register.IER) & 0x0f, 0x0f);
  port.set(Register.IER, 0);
  port.set(Register.MCR, MCR.LOOP | MCR.OUT2 | MCR.RTS);
  assert.equal(port.get(Register.MSR) & 0xf0, MSR.DCD | MSR.CTS);
  port.set(Register.MCR, 0);
  port.set(Register.LCR, 0xbf);
  port.set(Register.FCR, 0);
  port.set(Register.LCR, 0);
  port.set(Register.FCR, FCR.ENABLE);
  assert.equal(port.get(Register.IIR) >> 6, 3, "a 16550A");
  for (const lcr of [LCR.DLAB, 0xbf]) {
    port.set(Register.LCR, lcr);
    assert.notEqual(port.get(Register.IIR), 0, "no EFR as in a 16650");
  }
  port.set(Register.LCR, LCR.DLAB);
  port.set(Register.FCR, FCR.ENABLE | 0x20);
  assert.equal(port.get(Register.IIR) >> 5, 6, "no 64-byte FIFO as in a 16750");
  port.set(Register.LCR, 0);
  port.set(Register.IER, 0x40);
  assert.equal(port.get(Register.IER), 0, "no UUE bit as in an XScale port");
});

Deno.test("input that waits through a driver's whole start reaches it when the port is open", async () => {
  const port = new Port();
  await port.type("date\n");
  // Autoconfiguration, then the start of the port: dummy reads, FIFO resets, polled output.
  for (let round = 0; round < 2; round++) {
    port.set(Register.FCR, FCR.ENABLE);
    port.set(Register.FCR, FCR.ENABLE | FCR.RCVR_RESET | FCR.XMIT_RESET);
    port.set(Register.FCR, 0);
    for (const register of [Register.LSR, Register.RBR, Register.IIR, Register.MSR]) {
      port.get(register);
    }
    for (let i = 0; i < 100; i++) {
      port.get(Register.LSR);
      port.set(Register.THR, 0x2e);
    }
    port.set(Register.IER, 0);
    port.set(Register.MCR, MCR.DTR | MCR.OUT2);
  }
  port.open(FCR.ENABLE | 3 << FCR.TRIGGER_SHIFT);
  let seen = "";
  while ((port.get(Register.LSR) & LSR.DR) !== 0) seen += String.fromCharCode(port.get(0));
  assert.equal(seen, "date\n");
});

/** An access that a guest may make. */
const accesses = fc.array(
  fc.record({
    register: fc.nat(7),
    value: fc.nat(0xff),
    write: fc.boolean(),
    typed: fc.boolean(),
  }),
  { maxLength: 80 },
);
type Access = { register: number; value: number; write: boolean; typed: boolean };

/** Makes the accesses and notes all that can be observed. */
function observe(port: Port, steps: readonly Access[]): unknown[] {
  return steps.map(({ register, value, write, typed }) => {
    if (typed) port.input.write(value);
    let read = -1;
    if (write) port.set(register, value);
    else read = port.get(register);
    return [read, port.edgesNow(), port.printed()];
  });
}

Deno.test("a port restored from saved state goes on exactly like the one that was saved", () => {
  fc.assert(fc.property(accesses, accesses, (before, after) => {
    const port = new Port();
    observe(port, before);
    const saved = JSON.parse(JSON.stringify(serial.save(port.spec)));
    const twin = new Port();
    twin.input.writeBytes(Uint8Array.of(1, 2, 3));
    serial.restore(twin.spec, saved);
    assert.deepEqual(serial.save(twin.spec), saved);
    assert.deepEqual(observe(twin, after), observe(port, after));
  }));
});

Deno.test("two isolates that attach one port see one chip", () => {
  const one = new Port();
  const two = new TestRig();
  two.attach(serial, one.spec);
  one.set(Register.SCR, 0x5a);
  assert.equal(two.in(COM1 + Register.SCR), 0x5a);
  two.out(COM1 + Register.THR, 0x21);
  assert.equal(one.printed(), "!");
});

Deno.test("a port can be in memory space", () => {
  const rig = new TestRig();
  const spec = serial.create({ base: 0x0900_0000, space: "mmio", irqFd: 1 });
  rig.attach(serial, spec);
  rig.mmio.write(0x0900_0000, 1, 0x41);
  assert.equal(new ByteRing(spec.output).read(), 0x41);
});

Deno.test("saved input that is larger than the ring is refused, and the port is as it was", () => {
  const port = new Port({ inputCapacity: 4 });
  port.set(Register.SCR, 7);
  const saved = { ...serial.save(port.spec), input: [1, 2, 3, 4, 5], scr: 8 };
  assert.throws(() => serial.restore(port.spec, saved), DeviceStateError);
  assert.equal(port.get(Register.SCR), 7);
});
