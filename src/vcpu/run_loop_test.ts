import assert from "node:assert/strict";
import { Bus, type BusDevice, PIO_SPACE_SIZE } from "../bus/mod.ts";
import { EINTR } from "../ffi/mod.ts";
import {
  KVM_EXIT,
  KVM_EXIT_IO_IN,
  KVM_EXIT_IO_OUT,
  KVM_SYSTEM_EVENT,
  KvmRun,
  KvmRunPage,
} from "../kvm/mod.ts";
import {
  ExitCounts,
  REQUEST_PAUSE,
  REQUEST_STOP,
  RequestNote,
  type RunLoop,
  runVcpu,
  VcpuControl,
  VcpuState,
} from "./mod.ts";

type Exit = NonNullable<Parameters<typeof KvmRun.encode>[0]>;

/** A vCPU whose KVM_RUN comes back with the given exits, one after another, and is then interrupted. */
class ScriptedVcpu {
  readonly kvmRun = new KvmRunPage({
    buffer: new SharedArrayBuffer(3 * 4096),
    byteOffset: 0,
    byteLength: 3 * 4096,
  });
  readonly control = VcpuControl.create();
  readonly requests = new RequestNote();
  readonly pio = new Bus("pio", PIO_SPACE_SIZE);
  readonly mmio = new Bus("mmio");
  readonly exits = new ExitCounts(ExitCounts.allocate());
  /** Called at each entry; gives what KVM_RUN returns. */
  onRun: (entry: number) => number;
  #entries = 0;

  constructor(script: readonly Exit[] = []) {
    this.control.withdraw(REQUEST_PAUSE);
    this.onRun = (entry) => {
      if (entry < script.length) {
        KvmRun.encodeInto(this.kvmRun.bytes.subarray(0, KvmRun.size), script[entry]);
        return 0;
      }
      this.control.requestOwn(REQUEST_STOP);
      return -EINTR;
    };
  }

  run(): number {
    return this.onRun(this.#entries++);
  }

  loop(): RunLoop {
    const { control, requests, pio, mmio, exits } = this;
    const describe = (reason: string) => ({ reason, vcpu: 0, details: [] });
    return { vcpu: this, control, requests, pio, mmio, exits, describe };
  }
}

const DATA_OFFSET = 4096;

function pio(direction: number, port: number, size: number, count = 1): Exit {
  return {
    exit_reason: KVM_EXIT.IO,
    exit: { io: { direction, size, port, count, data_offset: BigInt(DATA_OFFSET) } },
  };
}

/** Keeps what is written and answers reads with 1, 2, 3, … */
class Recorder implements BusDevice {
  readonly written: number[][] = [];
  #next = 0;
  read(): number {
    return ++this.#next;
  }
  write(offset: number, size: number, value: number): void {
    this.written.push([offset, size, value]);
  }
}

Deno.test("port accesses reach their device, each element of a string access alone", () => {
  const vcpu = new ScriptedVcpu([
    pio(KVM_EXIT_IO_OUT, 0x3f9, 1, 3),
    pio(KVM_EXIT_IO_IN, 0x3f8, 2, 2),
  ]);
  const device = new Recorder();
  vcpu.pio.insert(0x3f8, 8, device);
  vcpu.kvmRun.bytes.set([10, 20, 30], DATA_OFFSET);
  assert.deepEqual(runVcpu(vcpu.loop()), { kind: "stopped" });
  assert.deepEqual(device.written, [[1, 1, 10], [1, 1, 20], [1, 1, 30]]);
  assert.deepEqual([...vcpu.kvmRun.bytes.subarray(DATA_OFFSET, DATA_OFFSET + 4)], [1, 0, 2, 0]);
  assert.deepEqual(vcpu.exits.byName(), { KVM_EXIT_IO: 2 });
  assert.equal(vcpu.exits.total, 2);
});

Deno.test("memory-mapped accesses reach their device at addresses beyond 4 GiB", () => {
  const phys_addr = 0x12_3456_7008n;
  const data = Uint8Array.of(0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0);
  const vcpu = new ScriptedVcpu([
    { exit_reason: KVM_EXIT.MMIO, exit: { mmio: { phys_addr, data, len: 4, is_write: 1 } } },
    { exit_reason: KVM_EXIT.MMIO, exit: { mmio: { phys_addr, len: 8, is_write: 0 } } },
  ]);
  const device = new Recorder();
  vcpu.mmio.insert(0x12_3456_7000, 0x1000, device);
  assert.deepEqual(runVcpu(vcpu.loop()), { kind: "stopped" });
  assert.deepEqual(device.written, [[8, 4, 0x1234_5678]]);
  const at = vcpu.kvmRun.mmioDataOffset;
  assert.deepEqual([...vcpu.kvmRun.bytes.subarray(at, at + 8)], [1, 0, 0, 0, 2, 0, 0, 0]);
});

Deno.test("what the guest asks for ends the loop before its next instruction", () => {
  const vcpu = new ScriptedVcpu([
    pio(KVM_EXIT_IO_OUT, 0xf4, 1),
    pio(KVM_EXIT_IO_OUT, 0x80, 1),
  ]);
  const late = new Recorder();
  vcpu.pio.insert(0x80, 1, late);
  vcpu.pio.insert(0xf4, 1, { read: () => 0, write: () => vcpu.requests.exit(0x107) });
  assert.deepEqual(runVcpu(vcpu.loop()), { kind: "exit", status: 7 });
  assert.deepEqual(late.written, []);
  assert.equal(vcpu.control.state, VcpuState.stopped);
});

Deno.test("the first of several requests counts", () => {
  const note = new RequestNote();
  note.powerOff("acpi");
  note.reset("i8042");
  note.exit(1);
  assert.deepEqual(note.request, { kind: "power-off", source: "acpi" });
});

const crashes: [string, Exit, RegExp][] = [
  ["a triple fault", { exit_reason: KVM_EXIT.SHUTDOWN }, /^triple fault$/],
  ["an internal error", { exit_reason: KVM_EXIT.INTERNAL_ERROR }, /^KVM can't run the guest/],
  ["a failed entry", { exit_reason: KVM_EXIT.FAIL_ENTRY }, /^the processor refused to enter/],
  ["a halt that nothing ends", { exit_reason: KVM_EXIT.HLT }, /^halted without/],
  ["an exit that nobody asked for", { exit_reason: KVM_EXIT.XEN }, /KVM_EXIT_XEN$/],
  ["an exit that is newer than this program", { exit_reason: 1000 }, /KVM_EXIT 1000$/],
  [
    "a crash that the guest reports to its firmware",
    {
      exit_reason: KVM_EXIT.SYSTEM_EVENT,
      exit: { system_event: { type: KVM_SYSTEM_EVENT.CRASH } },
    },
    /crash to its firmware$/,
  ],
];
for (const [name, exit, reason] of crashes) {
  Deno.test(`${name} ends the loop with a report`, () => {
    const stop = runVcpu(new ScriptedVcpu([exit]).loop());
    assert.equal(stop.kind, "crash");
    assert.match(stop.kind === "crash" ? stop.report.reason : "", reason);
  });
}

Deno.test("a firmware's shutdown and reset are a power-off and a reset", () => {
  for (const [type, kind] of [["SHUTDOWN", "power-off"], ["RESET", "reset"]] as const) {
    const system_event = { type: KVM_SYSTEM_EVENT[type] };
    const exit = { exit_reason: KVM_EXIT.SYSTEM_EVENT, exit: { system_event } };
    assert.deepEqual(runVcpu(new ScriptedVcpu([exit]).loop()), { kind, source: "firmware" });
  }
});

Deno.test("a kick that has no request behind it, or none any more, sends the vCPU back into its guest", () => {
  const vcpu = new ScriptedVcpu();
  const run = vcpu.onRun;
  vcpu.onRun = (entry) => {
    if (entry > 2) return run(entry);
    vcpu.kvmRun.immediateExit = true;
    return -EINTR;
  };
  assert.deepEqual(runVcpu(vcpu.loop()), { kind: "stopped" });
  assert.equal(vcpu.kvmRun.immediateExit, false);
  assert.equal(vcpu.exits.total, 0);
});

Deno.test("a stop that was requested before the first entry is obeyed without one", () => {
  const vcpu = new ScriptedVcpu();
  vcpu.onRun = () => assert.fail("the guest was entered");
  vcpu.control.requestOwn(REQUEST_STOP | REQUEST_PAUSE);
  assert.deepEqual(runVcpu(vcpu.loop()), { kind: "stopped" });
});

Deno.test("a host call that fails leaves the vCPU marked as stopped", () => {
  const vcpu = new ScriptedVcpu();
  vcpu.onRun = () => {
    throw new Error("EFAULT");
  };
  assert.throws(() => runVcpu(vcpu.loop()), /EFAULT/);
  assert.equal(vcpu.control.state, VcpuState.stopped);
});
