import assert from "node:assert/strict";
import { DeviceLock } from "../../src/bus/mod.ts";
import { ByteRing } from "../byte_ring.ts";
import type { ConsolePort } from "../device.ts";
import { TestRig } from "../test_rig.ts";
import { serial, type SerialOptions, type SerialSpec } from "./serial.ts";
import { IER, LSR, MCR, Register } from "./serial_registers.ts";

const COM1 = 0x3f8;

function random(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
  return bytes;
}

/** Starts a guest in a Worker of its own; resolves to how many bytes it printed. */
function guest(
  spec: SerialSpec,
  job: { print?: Uint8Array; echo?: number },
  control = new Int32Array(new SharedArrayBuffer(4)),
): Promise<number> {
  const url = new URL("./serial_console_test_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  return new Promise<number>((resolve, reject) => {
    worker.onmessage = (event) => resolve(event.data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage({
      spec,
      print: job.print ?? new Uint8Array(),
      echo: job.echo ?? 0,
      control,
    });
  }).finally(() => worker.terminate());
}

function port(options: Partial<SerialOptions> = {}): {
  spec: SerialSpec;
  rig: TestRig;
  host: ConsolePort;
} {
  const spec = serial.create({ base: COM1, irqFd: 4, ...options });
  const rig = new TestRig();
  rig.attach(serial, spec);
  const host = serial.console?.(spec, rig.context);
  assert.ok(host);
  return { spec, rig, host };
}

/** Long enough for the host's end to do what it can do now. */
async function pause(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Takes what the guest prints until there are `length` bytes of it. */
async function take(host: ConsolePort, length: number): Promise<Uint8Array> {
  const taken = new Uint8Array(length);
  let at = 0;
  for await (const chunk of host.output()) {
    taken.set(chunk, at);
    at += chunk.length;
    if (at === length) break;
  }
  return taken;
}

Deno.test("a MiB that a guest prints in another isolate arrives whole, through a ring of 4 KiB", async () => {
  const { spec, host } = port({ outputCapacity: 4096 });
  const print = random(1 << 20);
  const running = guest(spec, { print });
  assert.deepEqual(await take(host, print.length), print);
  assert.equal(await running, print.length);
});

Deno.test("what is typed while the guest prints without end is echoed whole, and nothing locks up", async () => {
  // The guest waits for room with the port's lock held; the host must drain while it wants the lock.
  const { spec, host } = port({ outputCapacity: 64, inputCapacity: 64 });
  const print = random(20_000);
  const typed = random(3_000);
  const running = guest(spec, { print, echo: typed.length });
  const all = take(host, print.length + typed.length);
  await host.send(typed);
  const seen = await all;
  assert.deepEqual(seen.subarray(0, print.length), print);
  assert.deepEqual(seen.subarray(print.length), typed);
  await running;
});

Deno.test("a guest that waits for the host to drain its output leaves when the machine wants it", async () => {
  const { spec, host } = port({ outputCapacity: 16 });
  const control = new Int32Array(new SharedArrayBuffer(4));
  const print = random(100);
  const running = guest(spec, { print }, control);
  await new Promise((resolve) => setTimeout(resolve, 150));
  Atomics.store(control, 0, 1);
  const printed = await running;
  assert.equal(printed, 17, "16 bytes fit in the ring, and one waits in the transmitter");
  assert.deepEqual(await take(host, printed), print.subarray(0, printed));
});

Deno.test("a paste larger than the input ring goes in piece by piece, in the order of the sends", async () => {
  const { rig, host } = port({ inputCapacity: 16 });
  rig.out(COM1 + Register.MCR, MCR.RTS | MCR.OUT2);
  const text = "0123456789abcdefghijklmnopqrstuvwxyz".repeat(5);
  const encoder = new TextEncoder();
  const sends = [
    host.send(encoder.encode(text.slice(0, 100))),
    host.send(encoder.encode(text.slice(100))),
  ];
  let seen = "";
  for (let idle = 0; seen.length < text.length && idle < 1000; idle++) {
    while ((rig.in(COM1 + Register.LSR) & LSR.DR) !== 0) {
      seen += String.fromCharCode(rig.in(COM1 + Register.RBR));
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await Promise.all(sends);
  assert.equal(seen, text);
});

Deno.test("each piece of a paste interrupts, and the line is low between pieces", async () => {
  const { rig, host } = port({ inputCapacity: 8 });
  rig.out(COM1 + Register.MCR, MCR.RTS | MCR.OUT2);
  rig.out(COM1 + Register.IER, IER.ERBFI);
  const sending = host.send(random(24));
  for (let piece = 1; piece <= 3; piece++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(rig.edges.get(4), piece);
    let read = 0;
    for (; (rig.in(COM1 + Register.LSR) & LSR.DR) !== 0; read++) rig.in(COM1 + Register.RBR);
    assert.equal(read, 8);
  }
  await sending;
});

Deno.test("the next piece waits for the end of the access that reads the last byte, when INTR falls", async () => {
  // Else INTR would stay high, and a fast guest find data without end until its driver gives up.
  const { spec, rig, host } = port({ inputCapacity: 8 });
  rig.out(COM1 + Register.MCR, MCR.RTS | MCR.OUT2);
  rig.out(COM1 + Register.IER, IER.ERBFI);
  const lock = new DeviceLock(new Int32Array(spec.state, 0, 1), 0);
  const input = new ByteRing(spec.input);
  const sending = host.send(random(12));
  await pause();
  for (let i = 0; i < 5; i++) rig.in(COM1 + Register.RBR);
  await pause();
  assert.equal(input.available, 3, "nothing follows before the piece is read");
  lock.acquire();
  for (let i = 0; i < 3; i++) input.read();
  await pause();
  assert.equal(input.available, 0, "nothing follows while the access goes on");
  lock.release();
  rig.in(COM1 + Register.LSR);
  await sending;
  assert.equal(input.available, 4);
  assert.equal(rig.edges.get(4), 2);
});

Deno.test("the caller may reuse its buffer as soon as send returns", async () => {
  const { rig, host } = port();
  rig.out(COM1 + Register.MCR, MCR.RTS);
  const buffer = Uint8Array.of(1);
  const first = host.send(buffer);
  buffer[0] = 2;
  await first;
  assert.equal(rig.in(COM1 + Register.RBR), 1);
});

Deno.test("closing the console ends its output after the last byte, and releases a waiting send", async () => {
  const { rig, host } = port({ inputCapacity: 4 });
  rig.out(COM1 + Register.THR, 0x62);
  rig.out(COM1 + Register.THR, 0x79);
  const sending = host.send(random(100));
  await new Promise((resolve) => setTimeout(resolve, 5));
  host.close();
  await sending;
  let seen = "";
  for await (const chunk of host.output()) seen += new TextDecoder().decode(chunk);
  assert.equal(seen, "by");
  rig.out(COM1 + Register.THR, 0x21);
  await host.send(random(10));
  for await (const _chunk of host.output()) assert.fail("nothing is printed on a closed console");
});
