/**
 * A Worker of serial_console_test.ts: a guest that prints, or that echoes what it reads.
 *
 * @module
 */
/// <reference lib="deno.worker" />

import { TestRig } from "../test_rig.ts";
import { serial, type SerialSpec } from "./serial.ts";
import { LSR, MCR, Register } from "./serial_registers.ts";

/** What the test posts. */
interface Job {
  spec: SerialSpec;
  /** What to print. */
  print: Uint8Array;
  /** How many bytes to echo after that. */
  echo: number;
  /** Word 0 becomes 1 when the machine wants the vCPU. */
  control: Int32Array<SharedArrayBuffer>;
}

self.onmessage = (event: MessageEvent<Job>) => {
  const { spec, print, echo, control } = event.data;
  const rig = new TestRig();
  Object.defineProperty(rig, "interrupted", { get: () => Atomics.load(control, 0) !== 0 });
  rig.attach(serial, spec);
  rig.out(spec.base + Register.MCR, MCR.DTR | MCR.RTS | MCR.OUT2);
  let printed = 0;
  while (printed < print.length && !rig.interrupted) {
    rig.out(spec.base + Register.THR, print[printed++]);
  }
  for (let echoed = 0; echoed < echo && !rig.interrupted;) {
    if ((rig.in(spec.base + Register.LSR) & LSR.DR) === 0) continue;
    rig.out(spec.base + Register.THR, rig.in(spec.base + Register.RBR));
    echoed++;
  }
  self.postMessage(printed);
  self.close();
};
