import assert from "node:assert/strict";
import { KVM_EXIT } from "./bindings/mod.ts";
import {
  KVM_CLOCK_REALTIME,
  KVM_IRQCHIP,
  KVM_MSR_FILTER_READ,
  KVM_MSR_FILTER_WRITE,
  KVM_PMU_EVENT_DENY,
} from "./mod.ts";
import { kvmTest, TestGuest } from "./test_guest.ts";

const HLT = 0xf4;

kvmTest("interrupt controllers come back as they were set", () => {
  using guest = new TestGuest([], { irqchip: true });
  const { chip } = guest.vm.getIrqchip(KVM_IRQCHIP.PIC_MASTER);
  const pic = { ...chip.pic, irq_base: 0x20, imr: 0xfb };
  guest.vm.setIrqchip({ chip_id: KVM_IRQCHIP.PIC_MASTER, chip: { pic } });
  assert.deepEqual(guest.vm.getIrqchip(KVM_IRQCHIP.PIC_MASTER).chip.pic, pic);

  const before = guest.vm.getIrqchip(KVM_IRQCHIP.IOAPIC).chip.ioapic;
  const redirtbl = before.redirtbl.with(4, 0x1_0000n | 0x24n);
  guest.vm.setIrqchip({ chip_id: KVM_IRQCHIP.IOAPIC, chip: { ioapic: { ...before, redirtbl } } });
  const state = guest.vm.getIrqchip(KVM_IRQCHIP.IOAPIC);
  assert.deepEqual(state.chip.ioapic.redirtbl, redirtbl);
  // A saved state is what came out of a clone, with every alternative of the union.
  guest.vm.setIrqchip(structuredClone(state));
  assert.deepEqual(guest.vm.getIrqchip(KVM_IRQCHIP.IOAPIC), state);
});

kvmTest("the timer comes back as it was set", () => {
  using guest = new TestGuest([], { irqchip: true });
  guest.vm.createPit2(1);
  guest.vm.reinjectControl(false);
  const state = guest.vm.getPit2();
  const channels = state.channels.with(2, {
    ...state.channels[2],
    count: 0x1234,
    mode: 3,
    gate: 1,
  });
  guest.vm.setPit2({ ...state, channels });
  const { count, mode } = guest.vm.getPit2().channels[2];
  assert.deepEqual({ count, mode }, { count: 0x1234, mode: 3 });
});

kvmTest("the guest's clock is set, and goes on from there", () => {
  using guest = new TestGuest([], { irqchip: true });
  const { clock, realtime, flags } = guest.vm.getClock();
  assert(clock < 60_000_000_000n, `${clock} ns`);
  if ((flags & KVM_CLOCK_REALTIME) !== 0) {
    assert(Math.abs(Number(realtime / 1_000_000n) - Date.now()) < 60_000);
  }
  const hour = 3600_000_000_000n;
  guest.vm.setClock({ clock: hour });
  const after = guest.vm.getClock().clock;
  assert(after >= hour && after < hour + 60_000_000_000n, `${after} ns`);
});

kvmTest("filters of MSRs and of performance events are set", () => {
  using guest = new TestGuest([]);
  const range = {
    flags: KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
    base: 0x174,
    count: 3,
    bitmap: new Uint8Array([0b101]),
  };
  guest.vm.x86SetMsrFilter([range, { ...range, base: 0x1000 }], true);
  guest.vm.x86SetMsrFilter([]);
  assert.throws(() => guest.vm.x86SetMsrFilter([{ ...range, count: 9 }]), /the bitmap of 9 MSRs/);
  guest.vm.setPmuEventFilter({ action: KVM_PMU_EVENT_DENY, events: [0xc0n] });
});

kvmTest("places for real mode on old processors are taken", () => {
  using guest = new TestGuest([HLT], {
    prepare: (vm) => {
      vm.setIdentityMapAddr(0xfffb_c000);
      vm.setTssAddr(0xfffb_d000);
      vm.setBootCpuId(0);
    },
  });
  assert.equal(guest.run(), KVM_EXIT.HLT);
});
