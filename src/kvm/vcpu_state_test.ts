import assert from "node:assert/strict";
import { SysError } from "../ffi/mod.ts";
import { KVM_CAP, KVM_MP_STATE, KVM_REG_SIZE_U64, KVM_REG_X86 } from "./bindings/mod.ts";
import {
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_VCPUEVENT_VALID_SHADOW,
  KVM_X86_REG_TYPE_MSR,
  MsrError,
  StructError,
} from "./mod.ts";
import { CODE, kvmTest, TestGuest } from "./test_guest.ts";

const IA32_APIC_BASE = 0x1b;
const IA32_SYSENTER_CS = 0x174;
/** AMD's processors keep its low 32 bits. */
const IA32_SYSENTER_ESP = 0x175;
const NO_SUCH_MSR = 0xdead_0000;
const HLT = 0xf4;

/** A guest whose vCPU has the host's CPUID. */
function guestWithCpuid(irqchip = false): TestGuest {
  const guest = new TestGuest([HLT], { irqchip });
  guest.vcpu.setCpuid2(guest.kvm.getSupportedCpuid());
  return guest;
}

kvmTest("general registers come back as they were set", () => {
  using guest = new TestGuest([]);
  const names = Object.keys(guest.vcpu.getRegs());
  const regs = Object.fromEntries(
    names.map((name, i) => [name, 0x8000_0000_0000_0000n + BigInt(i)]),
  );
  // RFLAGS has bits that are always set or always clear.
  const value = { ...guest.vcpu.getRegs(), ...regs, rflags: 0x0000_0ad7n };
  guest.vcpu.setRegs(value);
  assert.deepEqual(guest.vcpu.getRegs(), value);
});

kvmTest("segment and control registers come back as they were set", () => {
  using guest = guestWithCpuid();
  const sregs = guest.vcpu.getSregs();
  const changed = {
    ...sregs,
    ds: { ...sregs.ds, base: 0x1_2340n, selector: 0x1234, limit: 0xabcd },
    gdt: { base: 0x5000n, limit: 0x27 },
    cr2: 0x1234_5000n,
  };
  guest.vcpu.setSregs(changed);
  assert.deepEqual(guest.vcpu.getSregs(), changed);

  const sregs2 = guest.vcpu.getSregs2();
  assert.deepEqual(sregs2.ds, changed.ds);
  guest.vcpu.setSregs2({ ...sregs2, idt: { base: 0x6000n, limit: 0xfff } });
  assert.deepEqual(guest.vcpu.getSregs().idt, { base: 0x6000n, limit: 0xfff });
});

kvmTest("the x87 and SSE state comes back as it was set", () => {
  using guest = guestWithCpuid();
  const fpu = guest.vcpu.getFpu();
  assert.equal(fpu.fcw, 0x37f);
  const changed = {
    ...fpu,
    fcw: 0x27f,
    xmm: fpu.xmm.map((_, i) => new Uint8Array(16).fill(i + 1)),
  };
  guest.vcpu.setFpu(changed);
  assert.deepEqual(guest.vcpu.getFpu(), changed);
});

kvmTest("the XSAVE area holds the SSE registers and comes back as it was set", () => {
  using guest = guestWithCpuid();
  assert(guest.vcpu.xsaveSize >= 4096);
  const area = guest.vcpu.getXsave2();
  assert.equal(area.length, guest.vcpu.xsaveSize);
  // XMM0 is at byte 160 of the legacy region (SDM volume 1, 10.5.1); bit 1 of XSTATE_BV says it counts.
  area.fill(0x5a, 160, 176);
  area[512] |= 3;
  guest.vcpu.setXsave(area);
  assert.deepEqual(guest.vcpu.getFpu().xmm[0], new Uint8Array(16).fill(0x5a));
  assert.deepEqual(guest.vcpu.getXsave2().subarray(160, 176), new Uint8Array(16).fill(0x5a));
  if (guest.vcpu.xsaveSize === 4096) {
    const shorter = guest.vcpu.getXsave();
    guest.vcpu.setXsave(shorter);
    assert.deepEqual(guest.vcpu.getXsave(), shorter);
  }
  const tooLong = new Uint8Array(guest.vcpu.xsaveSize + 1);
  assert.throws(() => guest.vcpu.setXsave(tooLong), /^RangeError: vCPU 0: the XSAVE area has/);
});

kvmTest("extended control registers come back as they were set", () => {
  using guest = guestWithCpuid();
  const xcrs = guest.vcpu.getXcrs();
  if (guest.vm.checkExtension(KVM_CAP.XCRS) === 0) {
    assert.deepEqual(xcrs, [], "a processor without XSAVE");
    return;
  }
  guest.vcpu.setXcrs(xcrs);
  assert.deepEqual(guest.vcpu.getXcrs(), xcrs);
  assert.deepEqual(xcrs.map(({ xcr }) => xcr), [0]);
  // XCR0 without x87 does not exist.
  assert.throws(
    () => guest.vcpu.setXcrs([{ xcr: 0, value: 2n }]),
    (error: unknown) => error instanceof SysError && error.code === "EINVAL",
  );
});

kvmTest("the local APIC comes back as it was set", () => {
  using guest = guestWithCpuid(true);
  const regs = guest.vcpu.getLapic();
  assert.equal(regs.length, 1024);
  const LVT_LINT0 = 0x350;
  const view = new DataView(regs.buffer);
  view.setUint32(LVT_LINT0, 0x700, true);
  guest.vcpu.setLapic(regs);
  assert.equal(new DataView(guest.vcpu.getLapic().buffer).getUint32(LVT_LINT0, true), 0x700);
});

kvmTest("MSRs are read in order and written, and the first that can't be is named", () => {
  using guest = guestWithCpuid();
  const entries = [
    { index: IA32_SYSENTER_CS, data: 0x10n },
    { index: IA32_SYSENTER_ESP, data: 0xffff_1000n },
  ];
  guest.vcpu.setMsrs(entries);
  assert.deepEqual(
    guest.vcpu.getMsrs([IA32_SYSENTER_ESP, IA32_APIC_BASE, IA32_SYSENTER_CS]),
    [0xffff_1000n, guest.vcpu.getSregs().apic_base, 0x10n],
  );
  const cs = { index: IA32_SYSENTER_CS, data: 0x20n };
  assert.throws(
    () => guest.vcpu.setMsrs([cs, { index: NO_SUCH_MSR, data: 1n }, entries[1]]),
    (error: unknown) => {
      assert(error instanceof MsrError);
      assert.equal(error.message, "vCPU 0: MSR 0xdead0000 can't be written");
      assert.equal(error.done, 1);
      return true;
    },
  );
  assert.deepEqual(guest.vcpu.getMsrs([IA32_SYSENTER_CS]), [0x20n]);
  assert.throws(() => guest.vcpu.getMsrs([NO_SUCH_MSR]), MsrError);
  assert.deepEqual(guest.vcpu.getMsrs([]), []);
});

kvmTest("all MSRs that KVM lists can be saved, and restored but for those the host refuses", () => {
  using guest = guestWithCpuid(true);
  const saved: { index: number; data: bigint }[] = [];
  for (const index of guest.kvm.getMsrIndexList()) {
    try {
      saved.push({ index, data: guest.vcpu.getMsrs([index])[0] });
    } catch (error) {
      assert(error instanceof MsrError);
    }
  }
  assert(saved.length > 20, `${saved.length} MSRs`);
  assert.deepEqual(guest.vcpu.getMsrs(saved.map(({ index }) => index)).length, saved.length);
  let restored = 0;
  for (const entry of saved) {
    try {
      guest.vcpu.setMsrs([entry]);
      restored++;
    } catch (error) {
      assert(error instanceof MsrError);
    }
  }
  assert(restored > saved.length / 2, `${restored} of ${saved.length}`);
});

kvmTest("CPUID leaves come back as they were set", () => {
  using guest = new TestGuest([]);
  const leaves = guest.kvm.getSupportedCpuid();
  guest.vcpu.setCpuid2(leaves);
  const got = guest.vcpu.getCpuid2();
  assert.equal(got.length, leaves.length);
  assert.deepEqual(
    got.find((leaf) => leaf.function === 0),
    leaves.find((leaf) => leaf.function === 0),
  );
});

kvmTest("the multiprocessing state comes back as it was set, and an unknown one is refused", () => {
  using guest = new TestGuest([], { irqchip: true });
  using second = guest.vm.createVcpu(1);
  assert.equal(guest.vcpu.getMpState(), KVM_MP_STATE.RUNNABLE);
  assert.equal(second.getMpState(), KVM_MP_STATE.UNINITIALIZED);
  second.setMpState(KVM_MP_STATE.HALTED);
  assert.equal(second.getMpState(), KVM_MP_STATE.HALTED);
  assert.throws(() => second.setMpState(77), SysError);
});

kvmTest("events on their way come back as they were set", () => {
  using guest = new TestGuest([], { irqchip: true });
  const events = guest.vcpu.getVcpuEvents();
  guest.vcpu.setVcpuEvents(events);
  assert.deepEqual(guest.vcpu.getVcpuEvents(), events);
  guest.vcpu.setVcpuEvents({
    ...events,
    flags: events.flags & ~KVM_VCPUEVENT_VALID_SHADOW,
    nmi: { ...events.nmi, masked: 1 },
  });
  assert.equal(guest.vcpu.getVcpuEvents().nmi.masked, 1);
});

kvmTest("an NMI that is queued waits among the events", () => {
  using guest = new TestGuest([], { irqchip: true });
  guest.vcpu.nmi();
  const { nmi } = guest.vcpu.getVcpuEvents();
  assert.equal(nmi.injected + nmi.pending, 1);
});

kvmTest("an interrupt that is queued waits among the events", () => {
  using guest = new TestGuest([]);
  guest.vcpu.interrupt(0x31);
  const { interrupt } = guest.vcpu.getVcpuEvents();
  assert.equal(interrupt.injected, 1);
  assert.equal(interrupt.nr, 0x31);
  assert.throws(() => guest.vcpu.interrupt(256), SysError);
});

kvmTest("a system management interrupt is queued, or refused where there is no SMM", () => {
  using guest = new TestGuest([], { irqchip: true });
  if (guest.vm.checkExtension(KVM_CAP.X86_SMM) > 0) {
    guest.vcpu.smi();
    assert.equal(guest.vcpu.getVcpuEvents().smi.pending, 1);
  } else {
    assert.throws(() => guest.vcpu.smi(), SysError);
  }
});

kvmTest("debug registers come back as they were set", () => {
  using guest = new TestGuest([]);
  const debugregs = guest.vcpu.getDebugregs();
  const changed = { ...debugregs, db: [0x1000n, 0x2000n, 0x3000n, 0x4000n], dr7: 0x4_0400n };
  guest.vcpu.setDebugregs(changed);
  assert.deepEqual(guest.vcpu.getDebugregs(), changed);
});

kvmTest("guest debugging is switched on and off", () => {
  using guest = new TestGuest([]);
  guest.vcpu.setGuestDebug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP);
  guest.vcpu.setGuestDebug(0);
  assert.throws(() => guest.vcpu.setGuestDebug(1, [-1n]), StructError);
});

kvmTest("the frequency of the time stamp counter is told and can be set to itself", () => {
  using guest = new TestGuest([]);
  const khz = guest.vcpu.getTscKhz();
  assert(khz > 100_000, `${khz} kHz`);
  guest.vcpu.setTscKhz(khz);
  assert.equal(guest.vcpu.getTscKhz(), khz);
});

kvmTest("a guest without kvmclock can't be told of a pause", () => {
  using guest = new TestGuest([]);
  assert.throws(
    () => guest.vcpu.kvmclockCtrl(),
    (error: unknown) => error instanceof SysError && error.code === "EINVAL",
  );
});

kvmTest("without paging every address translates to itself", () => {
  using guest = new TestGuest([]);
  assert.equal(guest.vcpu.translate(BigInt(CODE) + 5n)?.physicalAddress, CODE + 5);
});

kvmTest("one register is read and written by its id", () => {
  using guest = guestWithCpuid();
  const KVM_REG_X86_U64 = KVM_REG_X86 | KVM_REG_SIZE_U64;
  const id = KVM_REG_X86_U64 | BigInt(KVM_X86_REG_TYPE_MSR) << 32n | BigInt(IA32_SYSENTER_ESP);
  const bytes = new Uint8Array([1, 2, 3, 4, 0, 0, 0, 0]);
  guest.vcpu.setOneReg(id, bytes);
  assert.deepEqual(guest.vcpu.getOneReg(id), bytes);
  assert.deepEqual(guest.vcpu.getMsrs([IA32_SYSENTER_ESP]), [0x0403_0201n]);
  assert.throws(() => guest.vcpu.setOneReg(id, new Uint8Array(4)), /has 8 bytes, not 4$/);
  assert.throws(() => guest.vcpu.getOneReg(KVM_REG_X86_U64 | 0xffn << 32n), SysError);
  assert(Array.isArray(guest.vcpu.getRegList()));
}, { capability: KVM_CAP.ONE_REG });

kvmTest("machine checks are set up with the capabilities that the host allows", () => {
  using guest = guestWithCpuid();
  const banks = 10n;
  const allowed = guest.kvm.x86GetMceCapSupported() & ~0xffn;
  guest.vcpu.x86SetupMce(allowed | banks);
  // An uncorrected error without MCIP, with CR4.MCE clear, would shut the guest down: a corrected one does not.
  const MCI_STATUS_VAL = 1n << 63n;
  guest.vcpu.x86SetMce({ status: MCI_STATUS_VAL | 5n, bank: 3 });
  const IA32_MC3_STATUS = 0x400 + 4 * 3 + 1;
  assert.deepEqual(guest.vcpu.getMsrs([IA32_MC3_STATUS]), [MCI_STATUS_VAL | 5n]);
  assert.throws(() => guest.vcpu.x86SetupMce(allowed | 0xffn), SysError);
});

kvmTest(
  "accesses to the task priority register are reported where a local APIC is emulated",
  () => {
    using guest = new TestGuest([], { irqchip: true });
    guest.vcpu.tprAccessReporting(true);
    guest.vcpu.tprAccessReporting(false);
  },
);

kvmTest("nested state comes back as it was set, where the host nests", () => {
  using guest = guestWithCpuid();
  if (guest.vm.checkExtension(KVM_CAP.NESTED_STATE) === 0) {
    assert.throws(() => guest.vcpu.getNestedState(), SysError);
    return;
  }
  const state = guest.vcpu.getNestedState();
  guest.vcpu.setNestedState(state);
  assert.deepEqual(guest.vcpu.getNestedState(), state);
});

kvmTest("the signal mask of KVM_RUN is set and taken back", () => {
  using guest = new TestGuest([]);
  guest.vcpu.setSignalMask([1, 40, 64]);
  guest.vcpu.setSignalMask(undefined);
  assert.throws(
    () => guest.vcpu.setSignalMask([65]),
    /^RangeError: vCPU 0: there is no signal 65$/,
  );
});
