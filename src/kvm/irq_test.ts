import assert from "node:assert/strict";
import { EventFd, signalEventFd, SysError } from "../ffi/mod.ts";
import { KVM_CAP, KVM_EXIT, KVM_IRQ_ROUTING } from "./bindings/mod.ts";
import { CoalescedMmioRing, KVM_IRQCHIP } from "./mod.ts";
import { kvmTest, TestGuest, type TestGuestOptions } from "./test_guest.ts";

const HLT = 0xf4;
const LAPIC = 0xfee0_0000;
const SVR = 0xf0;
/** Where handler N is: out N, al; then it halts with interrupts off. */
const HANDLERS = 0x3000;

/** sti; hlt; jmp back to hlt. */
const IDLE = [0xfb, HLT, 0xeb, 0xfd];

/** A guest with interrupt controllers that idles; a vector V ends in an exit on port V. */
function idleGuest(vectors: readonly number[], code = IDLE, options?: TestGuestOptions): TestGuest {
  const guest = new TestGuest(code, { irqchip: true, ...options });
  for (const [i, vector] of vectors.entries()) {
    const handler = HANDLERS + i * 16;
    guest.ram.set([0xe6, vector, 0xfa, HLT], handler);
    guest.ram.set([handler & 0xff, handler >> 8, 0, 0], vector * 4);
  }
  // The local APIC is enabled by software: in the spurious vector register.
  const regs = guest.vcpu.getLapic();
  new DataView(regs.buffer).setUint32(SVR, 0x1ff, true);
  guest.vcpu.setLapic(regs);
  return guest;
}

/** The vector that the guest was interrupted with. */
function takenVector(guest: TestGuest): number {
  assert.equal(guest.run(), KVM_EXIT.IO);
  return guest.vcpu.kvmRun.ioPort;
}

function msiRoute(gsi: number, vector: number) {
  const msi = { address_lo: LAPIC, address_hi: 0, data: vector };
  return { gsi, type: KVM_IRQ_ROUTING.MSI, u: { msi } };
}

function isErrno(code: string): (error: unknown) => boolean {
  return (error) => error instanceof SysError && error.code === code;
}

kvmTest("a message-signalled interrupt reaches the guest", () => {
  using guest = idleGuest([0x31]);
  assert.equal(guest.vm.signalMsi({ address: LAPIC, data: 0x31 }), true);
  assert.equal(takenVector(guest), 0x31);
});

kvmTest("an irqfd raises the interrupt that its GSI is routed to, until it is taken away", () => {
  using guest = idleGuest([0x41, 0x42]);
  using event = new EventFd("test interrupt");
  guest.vm.setGsiRouting([msiRoute(24, 0x41), msiRoute(25, 0x42)]);
  guest.vm.irqfd(event.raw, 25);
  assert.throws(() => guest.vm.irqfd(event.raw, 24), isErrno("EBUSY"));
  signalEventFd(event.raw);
  assert.equal(takenVector(guest), 0x42);
  assert.equal(event.drain(), 0n, "KVM takes the signal");

  guest.vm.irqfdDeassign(event.raw, 25);
  event.signal();
  assert.equal(event.drain(), 1n, "nobody takes the signal");
});

kvmTest("a new routing table takes the place of the old one while the irqfd stays", () => {
  using guest = idleGuest([0x41, 0x42]);
  using event = new EventFd("test interrupt");
  guest.vm.setGsiRouting([msiRoute(24, 0x41)]);
  guest.vm.irqfd(event.raw, 24);
  guest.vm.setGsiRouting([msiRoute(24, 0x42)]);
  event.signal();
  assert.equal(takenVector(guest), 0x42);
});

kvmTest("a line of the I/O APIC reaches the guest by the redirection entry", () => {
  using guest = idleGuest([0x24]);
  const { ioapic } = guest.vm.getIrqchip(KVM_IRQCHIP.IOAPIC).chip;
  const redirtbl = ioapic.redirtbl.with(4, 0x24n);
  guest.vm.setIrqchip({ chip_id: KVM_IRQCHIP.IOAPIC, chip: { ioapic: { ...ioapic, redirtbl } } });
  assert(guest.vm.irqLineStatus(4, true) > 0);
  guest.vm.irqLine(4, false);
  assert.equal(takenVector(guest), 0x24);
});

kvmTest("a pin of the I/O APIC can be reached by any GSI that is routed to it", () => {
  using guest = idleGuest([0x24]);
  const { ioapic } = guest.vm.getIrqchip(KVM_IRQCHIP.IOAPIC).chip;
  const redirtbl = ioapic.redirtbl.with(9, 0x24n);
  guest.vm.setIrqchip({ chip_id: KVM_IRQCHIP.IOAPIC, chip: { ioapic: { ...ioapic, redirtbl } } });
  const irqchip = { irqchip: KVM_IRQCHIP.IOAPIC, pin: 9 };
  guest.vm.setGsiRouting([{ gsi: 3, type: KVM_IRQ_ROUTING.IRQCHIP, u: { irqchip } }]);
  guest.vm.irqLine(3, true);
  assert.equal(takenVector(guest), 0x24);
});

kvmTest("a level-triggered irqfd tells of the guest's end of interrupt", () => {
  using guest = idleGuest([]);
  // The handler ends the interrupt (LAPIC EOI, through DS) and writes a port.
  const handler = [0x66, 0xc7, 0x06, 0xb0, 0x00, 0, 0, 0, 0, 0xe6, 0x99, 0xfa, HLT];
  guest.ram.set(handler, HANDLERS);
  guest.ram.set([HANDLERS & 0xff, HANDLERS >> 8, 0, 0], 0x24 * 4);
  const sregs = guest.vcpu.getSregs();
  guest.vcpu.setSregs({ ...sregs, ds: { ...sregs.ds, base: BigInt(LAPIC) } });
  const { ioapic } = guest.vm.getIrqchip(KVM_IRQCHIP.IOAPIC).chip;
  const LEVEL = 1n << 15n;
  const redirtbl = ioapic.redirtbl.with(10, 0x24n | LEVEL);
  guest.vm.setIrqchip({ chip_id: KVM_IRQCHIP.IOAPIC, chip: { ioapic: { ...ioapic, redirtbl } } });

  using trigger = new EventFd("test trigger");
  using resample = new EventFd("test resample");
  guest.vm.irqfd(trigger.raw, 10, resample.raw);
  trigger.signal();
  assert.equal(resample.drain(), 0n);
  assert.equal(takenVector(guest), 0x99);
  assert.equal(resample.drain(), 1n);
});

kvmTest("writes to a port with an ioeventfd signal it and do not exit", () => {
  // out 0x70, al; out 0x70, ax; out 0x71, al; hlt
  using guest = new TestGuest([0xe6, 0x70, 0xe7, 0x70, 0xe6, 0x71, HLT]);
  using event = new EventFd("test notification");
  const target = { address: 0x70, length: 1, pio: true } as const;
  guest.vm.ioeventfd(event.raw, target);
  assert.throws(() => guest.vm.ioeventfd(event.raw, target), isErrno("EEXIST"));
  assert.equal(guest.run(), KVM_EXIT.IO);
  assert.equal(guest.vcpu.kvmRun.ioSize, 2, "the write of another width exits");
  assert.equal(event.drain(), 1n);
  assert.equal(guest.run(), KVM_EXIT.IO);
  assert.equal(guest.vcpu.kvmRun.ioPort, 0x71);
  guest.vm.ioeventfdDeassign(event.raw, target);
  guest.vcpu.setRegs({ ...guest.vcpu.getRegs(), rip: 0x1000n });
  assert.equal(guest.run(), KVM_EXIT.IO);
  assert.equal(guest.vcpu.kvmRun.ioPort, 0x70);
});

kvmTest("an ioeventfd in memory space matches the value that is written", () => {
  // mov ax, 0xa000; mov ds, ax; mov word [0x50], 1; mov word [0x50], 2; hlt
  const write = (value: number) => [0xc7, 0x06, 0x50, 0x00, value, 0x00];
  using guest = new TestGuest([0xb8, 0x00, 0xa0, 0x8e, 0xd8, ...write(1), ...write(2), HLT]);
  using one = new EventFd("test queue 1");
  using two = new EventFd("test queue 2");
  guest.vm.ioeventfd(one.raw, { address: 0xa_0050, length: 2, datamatch: 1 });
  guest.vm.ioeventfd(two.raw, { address: 0xa_0050, length: 2, datamatch: 2n });
  assert.equal(guest.run(), KVM_EXIT.HLT);
  assert.equal(one.drain(), 1n);
  assert.equal(two.drain(), 1n);
});

kvmTest("coalesced writes to memory and to ports wait in the ring in their order", () => {
  // mov ax, 0xa000; mov ds, ax; mov byte [4], 0x5a; mov word [8], 0x1234; out 0x60, al; hlt
  using guest = new TestGuest([
    ...[0xb8, 0x07, 0xa0, 0x8e, 0xd8],
    ...[0xc6, 0x06, 0x04, 0x00, 0x5a],
    ...[0xc7, 0x06, 0x08, 0x00, 0x34, 0x12],
    ...[0xe6, 0x60, HLT],
  ]);
  const ring = new CoalescedMmioRing(guest.vcpu, guest.vm.checkExtension(KVM_CAP.COALESCED_MMIO));
  assert(ring.empty);
  assert.equal(ring.capacity, 170);
  const zone = { address: 0xa_0000, size: 0x1000 };
  guest.vm.registerCoalescedMmio(zone);
  guest.vm.registerCoalescedMmio({ address: 0x60, size: 1, pio: true });
  assert.equal(guest.run(), KVM_EXIT.HLT);
  const seen: unknown[] = [];
  for (; !ring.empty; ring.shift()) {
    const mask = ring.length === 1 ? 0xff : 0xffff;
    seen.push([ring.pio, ring.address, ring.length, ring.data & mask, ring.dataHigh]);
  }
  assert.deepEqual(seen, [
    [false, 0xa_0074, 1, 0x5a, 0],
    [false, 0xa_0078, 2, 0x1234, 0],
    [true, 0x60, 1, 0x07, 0],
  ]);

  guest.vm.unregisterCoalescedMmio(zone);
  guest.vcpu.setRegs({ ...guest.vcpu.getRegs(), rip: 0x1000n });
  assert.equal(guest.run(), KVM_EXIT.MMIO);
});

kvmTest("a full ring of coalesced writes exits, and goes round once it was emptied", () => {
  // mov ax, 0xa000; mov ds, ax; again: mov byte [0], al; inc al; jmp again
  const code = [0xb8, 0x00, 0xa0, 0x8e, 0xd8, 0xa2, 0x00, 0x00, 0xfe, 0xc0, 0xeb, 0xf9];
  using guest = new TestGuest(code);
  const ring = new CoalescedMmioRing(guest.vcpu, guest.vm.checkExtension(KVM_CAP.COALESCED_MMIO));
  guest.vm.registerCoalescedMmio({ address: 0xa_0000, size: 0x1000 });
  let next = 0;
  // Kernels before 6.12 call the ring full too early, now and then.
  while (next < 3 * ring.capacity) {
    assert.equal(guest.run(), KVM_EXIT.MMIO);
    let entries = 0;
    for (; !ring.empty; ring.shift(), entries++) assert.equal(ring.data & 0xff, next++ & 0xff);
    assert(entries < ring.capacity);
    assert.equal(guest.vcpu.kvmRun.mmioData & 0xff, next++ & 0xff);
  }
});
