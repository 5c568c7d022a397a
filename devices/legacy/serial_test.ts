import assert from "node:assert/strict";
import { hostInput } from "./serial.ts";
import { FCR, IER, IIR, LCR, LSR, MCR, MSR, Register } from "./serial_registers.ts";
import { COM1, FIFOS, Port } from "./serial_test_rig.ts";

Deno.test("what the guest writes to THR reaches the host, and the transmitter is empty again", () => {
  const port = new Port();
  port.print("Linux version 6.1\n");
  assert.equal(port.get(Register.LSR), LSR.THRE | LSR.TEMT);
  assert.equal(port.printed(), "Linux version 6.1\n");
});

Deno.test("after a reset of the machine the registers read as the data sheet says (table III)", () => {
  const port = new Port();
  const registers = [0, 1, 2, 3, 4, 5, 6, 7].map((register) => port.get(register));
  assert.deepEqual(registers, [
    0,
    0,
    IIR.NONE,
    0,
    0,
    LSR.THRE | LSR.TEMT,
    MSR.CTS | MSR.DSR | MSR.DCD,
    0,
  ]);
});

Deno.test("DLAB shows the divisor latch, and hides THR and IER from writes", () => {
  const port = new Port();
  port.set(Register.IER, IER.ELSI);
  port.set(Register.LCR, LCR.DLAB | 3);
  port.set(Register.DLL, 0x0c);
  port.set(Register.DLM, 0x01);
  assert.equal(port.get(Register.DLL), 0x0c);
  assert.equal(port.get(Register.DLM), 0x01);
  port.set(Register.LCR, 3);
  assert.equal(port.get(Register.IER), IER.ELSI);
  assert.equal(port.printed(), "");
});

Deno.test("undefined bits of IER and MCR read as 0, and SCR keeps any byte", () => {
  const port = new Port();
  port.set(Register.IER, 0xff);
  port.set(Register.MCR, 0xff);
  port.set(Register.SCR, 0xa5);
  assert.equal(port.get(Register.IER), 0x0f);
  assert.equal(port.get(Register.MCR), 0x1f);
  assert.equal(port.get(Register.SCR), 0xa5);
});

Deno.test("a wide access is byte accesses to consecutive registers", () => {
  const port = new Port();
  port.pio.write(COM1 + Register.MCR, 4, 0x77_00_00_03);
  assert.equal(port.get(Register.MCR), 3);
  assert.equal(port.get(Register.SCR), 0x77);
  assert.equal(port.pio.read(COM1 + Register.LSR, 2), 0xb060);
});

Deno.test("input raises one edge, and the interrupt stays until the last byte is read", async () => {
  const port = new Port().open();
  await port.type("ls\n");
  assert.equal(port.edgesNow(), 1);
  assert.equal(port.get(Register.IIR), FIFOS | IIR.RDA);
  assert.equal(port.get(Register.LSR) & LSR.DR, LSR.DR);
  assert.deepEqual([port.get(0), port.get(0)], [0x6c, 0x73]);
  assert.equal(port.get(Register.IIR), FIFOS | IIR.RDA);
  assert.equal(port.get(0), 0x0a);
  assert.equal(port.get(Register.IIR), FIFOS | IIR.NONE);
  assert.equal(port.get(Register.LSR) & LSR.DR, 0);
  assert.equal(port.edgesNow(), 0, "no edge while the line was high");
  await port.type("x");
  assert.equal(port.edgesNow(), 1, "an edge again once it had been low");
});

for (const [bits, level] of [[0, 1], [1, 4], [2, 8], [3, 14]]) {
  Deno.test(`with a trigger level of ${level}, less is a character time-out and as much is data`, async () => {
    const port = new Port().open(FCR.ENABLE | bits << FCR.TRIGGER_SHIFT);
    await port.type("x".repeat(level));
    assert.equal(port.get(Register.IIR), FIFOS | IIR.RDA);
    port.get(Register.RBR);
    assert.equal(port.get(Register.IIR), FIFOS | (level === 1 ? IIR.NONE : IIR.CTI));
  });
}

Deno.test("without FIFOs there is no time-out interrupt, and IIR does not claim FIFOs", async () => {
  const port = new Port().open(0);
  await port.type("ab");
  assert.equal(port.get(Register.IIR), IIR.RDA);
  assert.equal(port.get(Register.RBR), 0x61);
  assert.equal(port.get(Register.IIR), IIR.RDA);
  assert.equal(port.get(Register.RBR), 0x62);
  assert.equal(port.get(Register.IIR), IIR.NONE);
});

Deno.test("4 KiB of input that came at once is read in order with no overrun", async () => {
  const port = new Port().open(FCR.ENABLE | 3 << FCR.TRIGGER_SHIFT);
  const text = Array.from({ length: 4096 }, (_, i) => String.fromCharCode(32 + i % 95)).join("");
  await port.type(text);
  let seen = "";
  while ((port.get(Register.LSR) & LSR.DR) !== 0) {
    assert.equal(port.get(Register.LSR) & LSR.OE, 0);
    seen += String.fromCharCode(port.get(Register.RBR));
  }
  assert.equal(seen, text);
});

Deno.test("the guest clearing its FIFOs loses no input", async () => {
  const port = new Port().open();
  await port.type("halt\n");
  port.set(Register.FCR, FCR.ENABLE | FCR.RCVR_RESET | FCR.XMIT_RESET);
  port.set(Register.FCR, 0);
  assert.equal(port.get(Register.RBR), 0x68);
});

Deno.test("the host sends nothing until the guest is ready for it", async () => {
  const port = new Port();
  await port.type("typed ahead");
  assert.equal(port.get(Register.LSR) & LSR.DR, 0);
  assert.equal(port.get(Register.RBR), 0, "a dummy read eats nothing");
  port.set(Register.MCR, MCR.DTR | MCR.RTS);
  assert.equal(port.get(Register.LSR) & LSR.DR, LSR.DR);
  assert.equal(port.get(Register.RBR), 0x74);
  port.set(Register.MCR, MCR.DTR);
  assert.equal(port.get(Register.LSR) & LSR.DR, 0, "lowering RTS stops it again");
  port.set(Register.IER, IER.ERBFI);
  assert.equal(port.get(Register.RBR), 0x79, "receive interrupts are a wish for input, too");
});

Deno.test("software that only polls LSR gets its input without touching another register", async () => {
  const port = new Port();
  await port.type("go");
  let seen = "";
  for (let i = 0; i < 40; i++) {
    if ((port.get(Register.LSR) & LSR.DR) !== 0) seen += String.fromCharCode(port.get(0));
  }
  assert.equal(seen, "go");
});

Deno.test("enabling the THRE interrupt on an idle transmitter raises it, and reading IIR clears it", () => {
  const port = new Port().open(FCR.ENABLE, 0);
  port.get(Register.IIR);
  for (let round = 0; round < 2; round++) {
    port.set(Register.IER, IER.ETBEI);
    assert.equal(port.edgesNow(), 1);
    assert.equal(port.get(Register.IIR), FIFOS | IIR.THRE);
    assert.equal(port.get(Register.IIR), FIFOS | IIR.NONE);
    port.set(Register.IER, 0);
  }
});

Deno.test("reading IIR leaves THRE pending while it tells of a higher interrupt", async () => {
  const port = new Port().open(FCR.ENABLE, IER.ERBFI | IER.ETBEI);
  await port.type("x");
  assert.equal(port.get(Register.IIR), FIFOS | IIR.RDA);
  port.get(Register.RBR);
  assert.equal(port.get(Register.IIR), FIFOS | IIR.THRE);
  assert.equal(port.get(Register.IIR), FIFOS | IIR.NONE);
});

Deno.test("a burst written after the THRE interrupt was acknowledged raises one edge, not one a byte", () => {
  const port = new Port().open(FCR.ENABLE, IER.ETBEI);
  port.get(Register.IIR);
  port.edgesNow();
  port.print("sixteen bytes...");
  assert.equal(port.edgesNow(), 1);
  assert.equal(port.get(Register.IIR), FIFOS | IIR.THRE);
});

Deno.test("INTR reaches the interrupt controller only through OUT2", async () => {
  const port = new Port().open();
  port.set(Register.MCR, MCR.DTR | MCR.RTS);
  await port.type("x");
  assert.equal(port.edgesNow(), 0);
  assert.equal(port.get(Register.IIR), FIFOS | IIR.RDA, "the chip itself has it pending");
  port.set(Register.MCR, MCR.DTR | MCR.RTS | MCR.OUT2);
  assert.equal(port.edgesNow(), 1);
});

Deno.test("in loopback THR feeds RBR, nothing reaches the host, and the host's input waits", async () => {
  const port = new Port().open();
  await port.type("host");
  port.set(Register.MCR, MCR.LOOP);
  assert.equal(port.get(Register.LSR) & LSR.DR, 0);
  port.print("loop");
  assert.equal(port.printed(), "");
  assert.deepEqual([0, 0, 0, 0].map(() => port.get(0)), [0x6c, 0x6f, 0x6f, 0x70]);
  port.set(Register.MCR, MCR.RTS);
  assert.equal(port.get(Register.RBR), 0x68);
});

Deno.test("in loopback the modem outputs are the modem inputs, with their deltas", () => {
  const port = new Port();
  port.set(Register.MCR, MCR.LOOP);
  assert.equal(port.get(Register.MSR), MSR.DCTS | MSR.DDSR | MSR.DDCD);
  assert.equal(port.get(Register.MSR), 0, "reading clears the deltas");
  for (
    const [output, line, delta] of [
      [MCR.RTS, MSR.CTS, MSR.DCTS],
      [MCR.DTR, MSR.DSR, MSR.DDSR],
      [MCR.OUT2, MSR.DCD, MSR.DDCD],
    ]
  ) {
    port.set(Register.MCR, MCR.LOOP | output);
    assert.equal(port.get(Register.MSR), line | delta);
    port.set(Register.MCR, MCR.LOOP);
    assert.equal(port.get(Register.MSR), delta);
  }
  port.set(Register.MCR, MCR.LOOP | MCR.OUT1);
  assert.equal(port.get(Register.MSR), MSR.RI, "the ring indicator tells its trailing edge only");
  port.set(Register.MCR, MCR.LOOP);
  assert.equal(port.get(Register.MSR), MSR.TERI);
});

Deno.test("a change of a modem line interrupts until MSR is read", () => {
  const port = new Port();
  port.set(Register.IER, IER.EDSSI);
  port.set(Register.MCR, MCR.LOOP | MCR.OUT2 | MCR.RTS | MCR.DTR);
  assert.equal(port.edgesNow(), 0, "CTS, DSR and DCD are as before");
  port.set(Register.MCR, MCR.LOOP | MCR.OUT2);
  assert.equal(port.edgesNow(), 1);
  assert.equal(port.get(Register.IIR), IIR.MS);
  port.get(Register.MSR);
  assert.equal(port.get(Register.IIR), IIR.NONE);
});

Deno.test("the 17th looped byte is an overrun: the FIFO keeps 16, and LSR tells it once", () => {
  const port = new Port();
  port.set(Register.FCR, FCR.ENABLE);
  port.set(Register.MCR, MCR.LOOP | MCR.OUT2);
  port.set(Register.IER, IER.ELSI);
  for (let i = 0; i < 16; i++) port.set(Register.THR, i);
  assert.equal(port.edgesNow(), 0);
  port.set(Register.THR, 99);
  assert.equal(port.edgesNow(), 1);
  assert.equal(port.get(Register.IIR), FIFOS | IIR.RLS);
  assert.equal(port.get(Register.LSR), LSR.OE | LSR.DR | LSR.THRE | LSR.TEMT);
  assert.equal(port.get(Register.LSR), LSR.DR | LSR.THRE | LSR.TEMT);
  assert.equal(port.get(Register.IIR), FIFOS | IIR.NONE);
  for (let i = 0; i < 16; i++) assert.equal(port.get(Register.RBR), i);
  assert.equal(port.get(Register.LSR) & LSR.DR, 0);
});

Deno.test("without FIFOs the second looped byte destroys the first, and is an overrun", () => {
  const port = new Port();
  port.set(Register.MCR, MCR.LOOP);
  port.set(Register.THR, 1);
  port.set(Register.THR, 2);
  assert.equal(port.get(Register.LSR) & (LSR.OE | LSR.DR), LSR.OE | LSR.DR);
  assert.equal(port.get(Register.RBR), 2);
  assert.equal(port.get(Register.LSR) & LSR.DR, 0);
});

Deno.test("FCR: a reset bit, and any change of the enable bit, empties the receiver FIFO", () => {
  const port = new Port();
  const ready = () => (port.get(Register.LSR) & LSR.DR) !== 0;
  port.set(Register.FCR, FCR.ENABLE);
  port.set(Register.MCR, MCR.LOOP);
  port.print("ab");
  port.set(Register.FCR, FCR.ENABLE | 3 << FCR.TRIGGER_SHIFT);
  assert.ok(ready(), "a new trigger level empties nothing");
  port.set(Register.FCR, FCR.ENABLE | FCR.RCVR_RESET);
  assert.ok(!ready());
  port.print("ab");
  port.set(Register.FCR, FCR.RCVR_RESET | 3 << FCR.TRIGGER_SHIFT);
  assert.ok(!ready());
  assert.equal(port.get(Register.IIR), IIR.NONE);
});

Deno.test("interrupts come by priority: line status, data, transmitter, modem", () => {
  const port = new Port();
  port.set(Register.FCR, FCR.ENABLE);
  port.set(Register.IER, 0x0f);
  port.set(Register.MCR, MCR.LOOP | MCR.OUT2);
  for (let i = 0; i < 17; i++) port.set(Register.THR, i);
  const seen = [];
  seen.push(port.get(Register.IIR) & 0x0f);
  port.get(Register.LSR);
  seen.push(port.get(Register.IIR) & 0x0f);
  for (let i = 0; i < 16; i++) port.get(Register.RBR);
  seen.push(port.get(Register.IIR) & 0x0f, port.get(Register.IIR) & 0x0f);
  port.get(Register.MSR);
  seen.push(port.get(Register.IIR) & 0x0f);
  assert.deepEqual(seen, [IIR.RLS, IIR.RDA, IIR.THRE, IIR.MS, IIR.NONE]);
});

Deno.test("output that finds the ring full while the machine wants the vCPU is kept, not lost", async () => {
  const port = new Port({ outputCapacity: 4 }).open(FCR.ENABLE, IER.ETBEI);
  port.get(Register.IIR);
  port.edgesNow();
  port.interrupted = true;
  port.print("abcdef");
  assert.equal(port.get(Register.LSR) & (LSR.THRE | LSR.TEMT), 0, "the transmitter is busy");
  assert.equal(port.get(Register.IIR), FIFOS | IIR.NONE);
  port.edgesNow();
  assert.equal(port.printed(), "abcd");
  await hostInput(port.spec, port.context);
  assert.equal(port.edgesNow(), 1, "the host's room empties the transmitter, which interrupts");
  assert.equal(port.get(Register.LSR) & (LSR.THRE | LSR.TEMT), LSR.THRE | LSR.TEMT);
  assert.equal(port.printed(), "ef");
});

Deno.test("once the host has unplugged the console, printing never waits", () => {
  const port = new Port({ outputCapacity: 4 });
  port.output.close();
  port.print("nobody reads this");
  assert.equal(port.get(Register.LSR), LSR.THRE | LSR.TEMT);
});
