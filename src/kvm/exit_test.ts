import assert from "node:assert/strict";
import {
  capabilityName,
  describeExit,
  exitReasonName,
  type InputOf,
  internalErrorName,
  KVM_CAP,
  KVM_EXIT,
  KVM_INTERNAL_ERROR,
  KvmRun,
  systemEventName,
  type Vcpu,
} from "./mod.ts";

import { CODE, kvmTest, RAM, TestGuest } from "./test_guest.ts";

const HLT = 0xf4;

/** Writes an alternative of struct kvm_run's union, as KVM would. */
function pretend(
  vcpu: Vcpu,
  reason: number,
  exit: InputOf<typeof KvmRun>["exit"],
): void {
  vcpu.kvmRun.bytes.set(KvmRun.encode({ exit_reason: reason, exit }));
}

/** Reads the guest's RAM as a machine would. */
function reader(guest: TestGuest): (address: number, length: number) => Uint8Array | undefined {
  return (address, length) =>
    address + length <= RAM ? guest.ram.slice(address, address + length) : undefined;
}

Deno.test("names of exits, errors, events and capabilities are those of C, and unknown ones are numbers", () => {
  assert.equal(exitReasonName(KVM_EXIT.MMIO), "KVM_EXIT_MMIO");
  assert.equal(exitReasonName(999), "KVM_EXIT 999");
  assert.equal(internalErrorName(1), "KVM_INTERNAL_ERROR_EMULATION");
  assert.equal(systemEventName(2), "KVM_SYSTEM_EVENT_RESET");
  assert.equal(capabilityName(KVM_CAP.IRQFD), "KVM_CAP_IRQFD");
  assert.equal(capabilityName(60_000), "KVM_CAP 60000");
});

kvmTest("a port exit is described with the registers and the code that comes next", () => {
  using guest = new TestGuest([0xb0, 0x41, 0xe6, 0x10, HLT]);
  guest.run();
  const exit = describeExit(guest.vcpu, reader(guest));
  assert.equal(exit.name, "KVM_EXIT_IO");
  assert.deepEqual(exit.fields, { direction: "out", port: "0x10", size: "1", count: "1" });
  assert.equal(exit.regs?.rax, 0x41n);
  assert.equal(exit.code?.bytes.length, 15);
  assert.equal(exit.code?.physicalAddress, Number(exit.code?.linearAddress));
  assert(exit.text.startsWith("vCPU 0: KVM_EXIT_IO\n  direction: out\n  port: 0x10\n"));
  assert.match(exit.text, /\n  +rip 000000000000100[24] rflags 0000000000000002\n/);
  assert.match(exit.text, /\n +rax 0000000000000041 +rbx 0000000000000000 /);
  assert(exit.text.includes("\n  cs  0x0 base 0x0 limit 0xffff "));
});

kvmTest(
  "an instruction that is fetched where there is no memory is described as what it is",
  () => {
    // jmp 0x8000:0x0000
    using guest = new TestGuest([0xea, 0x00, 0x00, 0x00, 0x80]);
    assert.equal(guest.run(), KVM_EXIT.INTERNAL_ERROR);
    const exit = describeExit(guest.vcpu, reader(guest));
    assert.equal(exit.name, "KVM_EXIT_INTERNAL_ERROR");
    assert.match(exit.fields.suberror, /^KVM_INTERNAL_ERROR_/);
    assert.equal(exit.sregs?.cs.base, 0x8_0000n);
    // There is nothing to read there, and that is no error.
    assert.equal(exit.code, undefined);
    assert(!exit.text.includes("code at"));
  },
);

kvmTest("code is read to the end of its page and no further", () => {
  using guest = new TestGuest([0xe9, 0xf8, 0x0f]); // jmp 0x1ffb
  guest.ram.set([0xe6, 0x10, 0x90, 0x90, HLT], 0x1ffb);
  guest.run();
  guest.vcpu.setRegs({ ...guest.vcpu.getRegs(), rip: 0x1ffdn });
  assert.deepEqual(
    describeExit(guest.vcpu, reader(guest)).code?.bytes,
    new Uint8Array([0x90, 0x90, HLT]),
  );
});

kvmTest("a reader of memory that throws does not spoil the report", () => {
  using guest = new TestGuest([HLT]);
  guest.run();
  const exit = describeExit(guest.vcpu, () => {
    throw new Error("not RAM");
  });
  assert.equal(exit.name, "KVM_EXIT_HLT");
  assert.equal(exit.code, undefined);
  assert(exit.regs !== undefined);
});

kvmTest("an emulation failure tells the bytes of the instruction", () => {
  using guest = new TestGuest([]);
  pretend(guest.vcpu, KVM_EXIT.INTERNAL_ERROR, {
    emulation_failure: {
      suberror: KVM_INTERNAL_ERROR.EMULATION,
      ndata: 4,
      flags: 1n,
      insn_size: 3,
      insn_bytes: new Uint8Array([0x0f, 0xae, 0x28]),
    },
  });
  assert.deepEqual(describeExit(guest.vcpu).fields, {
    suberror: "KVM_INTERNAL_ERROR_EMULATION",
    "instruction bytes": "0f ae 28",
    data: "0x0",
  });
});

kvmTest("what else an exit tells is described with its names", () => {
  using guest = new TestGuest([]);
  const { vcpu } = guest;
  const described = (...args: [number, Parameters<typeof pretend>[2]]) => {
    pretend(vcpu, ...args);
    return describeExit(vcpu).fields;
  };
  assert.deepEqual(
    described(KVM_EXIT.INTERNAL_ERROR, {
      internal: { suberror: 3, ndata: 2, data: [0x80n, 0x10n] },
    }),
    { suberror: "KVM_INTERNAL_ERROR_DELIVERY_EV", data: "0x80 0x10" },
  );
  assert.deepEqual(
    described(KVM_EXIT.INTERNAL_ERROR, { internal: { suberror: 1, ndata: 0 } }),
    { suberror: "KVM_INTERNAL_ERROR_EMULATION" },
  );
  assert.deepEqual(
    described(KVM_EXIT.FAIL_ENTRY, {
      fail_entry: { hardware_entry_failure_reason: 0x8000_0021n, cpu: 3 },
    }),
    { "hardware entry failure reason": "0x80000021", "host CPU": "3" },
  );
  assert.deepEqual(
    described(KVM_EXIT.SYSTEM_EVENT, { system_event: { type: 3, ndata: 1, data: [7n] } }),
    { event: "KVM_SYSTEM_EVENT_CRASH", data: "0x7" },
  );
  assert.deepEqual(
    described(KVM_EXIT.MMIO, {
      mmio: { phys_addr: 0x1_0000_0000n, data: new Uint8Array([1, 2]), len: 2, is_write: 1 },
    }),
    { direction: "write", address: "0x100000000", size: "2", data: "01 02" },
  );
  assert.deepEqual(
    described(KVM_EXIT.MMIO, { mmio: { phys_addr: 0x10n, len: 4 } }),
    { direction: "read", address: "0x10", size: "4" },
  );
  assert.deepEqual(described(KVM_EXIT.UNKNOWN, { hw: { hardware_exit_reason: 9n } }), {
    "hardware exit reason": "0x9",
  });
  assert.deepEqual(described(KVM_EXIT.EXCEPTION, { ex: { exception: 13, error_code: 0x18 } }), {
    exception: "13",
    "error code": "0x18",
  });
  assert.deepEqual(described(KVM_EXIT.X86_WRMSR, { msr: { index: 0x10a, reason: 2, data: 5n } }), {
    msr: "0x10a",
    reason: "0x2",
    data: "0x5",
  });
  assert.deepEqual(described(KVM_EXIT.X86_RDMSR, { msr: { index: 0x10a, reason: 1 } }), {
    msr: "0x10a",
    reason: "0x1",
  });
  assert.deepEqual(
    described(KVM_EXIT.DEBUG, { debug: { arch: { exception: 1, pc: 0x1000n, dr6: 0x4000n } } }),
    { exception: "1", pc: "0x1000", dr6: "0x4000", dr7: "0x0" },
  );
  assert.deepEqual(described(KVM_EXIT.HYPERCALL, { hypercall: { nr: 12n, args: [1n] } }), {
    number: "0xc",
    arguments: "0x1 0x0 0x0 0x0 0x0 0x0",
  });
  assert.deepEqual(described(KVM_EXIT.TPR_ACCESS, { tpr_access: { rip: 1n, is_write: 1 } }), {
    rip: "0x1",
    direction: "write",
  });
  assert.deepEqual(described(KVM_EXIT.IOAPIC_EOI, { eoi: { vector: 0x24 } }), { vector: "0x24" });
  assert.deepEqual(described(KVM_EXIT.NOTIFY, { notify: { flags: 1 } }), { flags: "0x1" });
  assert.deepEqual(
    described(KVM_EXIT.MEMORY_FAULT, { memory_fault: { flags: 8n, gpa: 0x1000n, size: 0x1000n } }),
    { flags: "0x8", address: "0x1000", size: "0x1000" },
  );
  assert.deepEqual(described(KVM_EXIT.SHUTDOWN, {}), {});
});

kvmTest("counts that are larger than their room are not believed", () => {
  using guest = new TestGuest([]);
  pretend(guest.vcpu, KVM_EXIT.INTERNAL_ERROR, { internal: { suberror: 2, ndata: 0xffff_ffff } });
  assert.equal(describeExit(guest.vcpu).fields.data.split(" ").length, 16);
  pretend(guest.vcpu, KVM_EXIT.MMIO, { mmio: { len: 200, is_write: 1 } });
  assert.equal(describeExit(guest.vcpu).fields.data.split(" ").length, 8);
  assert.equal(guest.vcpu.getRegs().rip, BigInt(CODE));
});

kvmTest("a vCPU whose registers can't be read is described all the same", () => {
  const guest = new TestGuest([HLT]);
  guest.run();
  const { vcpu } = guest;
  guest[Symbol.dispose]();
  const exit = describeExit(vcpu);
  assert.equal(exit.regs, undefined);
  assert(!exit.text.includes("rip"));
});
