import assert from "node:assert/strict";
import { PAGE_SIZE, SysError } from "../ffi/mod.ts";
import { KVM_CAP, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE, KVM_EXIT } from "./bindings/mod.ts";
import { DirtyRing, KVM_DIRTY_LOG_PAGE_OFFSET } from "./mod.ts";
import { CODE, kvmTest, RAM, TestGuest } from "./test_guest.ts";

const HLT = 0xf4;

/** Writes a byte at 0x2000 and one at 0x9000: mov byte [n], 1. */
const WRITES = [0xc6, 0x06, 0x00, 0x20, 1, 0xc6, 0x06, 0x00, 0x90, 1, HLT];

/** Some kernels count the page of code too: a page may be mapped writable when it is first read. */
const CODE_PAGE = CODE / PAGE_SIZE;

/** The pages whose bits are set, but for that of the code. */
function pages(bitmap: Uint8Array): number[] {
  return [...bitmap].flatMap((byte, i) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte >> bit) & 1).map((bit) => i * 8 + bit)
  ).filter((page) => page !== CODE_PAGE);
}

kvmTest("the dirty log tells which pages the guest wrote, once", () => {
  using guest = new TestGuest(WRITES, { logDirtyPages: true });
  assert.deepEqual(pages(guest.vm.getDirtyLog(0, RAM)), []);
  assert.equal(guest.run(), KVM_EXIT.HLT);
  const log = guest.vm.getDirtyLog(0, RAM);
  assert.equal(log.length, 8);
  assert.deepEqual(pages(log), [2, 9]);
  assert.deepEqual(pages(guest.vm.getDirtyLog(0, RAM)), []);
});

kvmTest("with manual protection a page stays dirty until it is cleared", () => {
  using guest = new TestGuest(WRITES, {
    logDirtyPages: true,
    prepare: (vm) => {
      vm.enableCap(KVM_CAP.MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
    },
  });
  assert.equal(guest.run(), KVM_EXIT.HLT);
  assert.deepEqual(pages(guest.vm.getDirtyLog(0, RAM)), [2, 9]);
  assert.deepEqual(pages(guest.vm.getDirtyLog(0, RAM)), [2, 9]);
  guest.vm.clearDirtyLog(0, 0, 16, new Uint8Array([0b100, 0, 0, 0, 0, 0, 0, 0]));
  assert.deepEqual(pages(guest.vm.getDirtyLog(0, RAM)), [9]);
  assert.throws(
    () => guest.vm.clearDirtyLog(0, 0, 16, new Uint8Array(1)),
    /too short for 16 pages$/,
  );
});

kvmTest("a slot that is not logged has no dirty log", () => {
  using guest = new TestGuest(WRITES);
  assert.throws(
    () => guest.vm.getDirtyLog(0, RAM),
    (error: unknown) => error instanceof SysError && error.code === "ENOENT",
  );
  assert.throws(() => guest.vm.getDirtyLog(0, 100), /^RangeError: slot 0: 100 bytes are not whole/);
});

kvmTest("the dirty ring tells of each page that was written, and gives its entries back", () => {
  const size = 4096;
  using guest = new TestGuest(WRITES, {
    logDirtyPages: true,
    prepare: (vm) => {
      const ring = vm.checkExtension(KVM_CAP.DIRTY_LOG_RING_ACQ_REL);
      vm.enableCap(ring > 0 ? KVM_CAP.DIRTY_LOG_RING_ACQ_REL : KVM_CAP.DIRTY_LOG_RING, 16 * size);
    },
  });
  using ring = new DirtyRing(guest.vcpu, KVM_DIRTY_LOG_PAGE_OFFSET, 16 * size);
  assert.equal(ring.harvest(() => assert.fail("nothing was written yet")), false);
  const seen: number[][] = [];
  const harvest = () => {
    while (ring.harvest((slot, page) => seen.push([slot, page])));
    return seen.splice(0);
  };
  assert.equal(guest.run(), KVM_EXIT.HLT);
  const written = harvest();
  assert.deepEqual(written.filter(([, page]) => page !== CODE_PAGE), [[0, 2], [0, 9]]);
  assert.equal(guest.vm.resetDirtyRings(), written.length);
  assert.equal(guest.vm.resetDirtyRings(), 0);

  guest.vcpu.setRegs({ ...guest.vcpu.getRegs(), rip: BigInt(CODE) });
  assert.equal(guest.run(), KVM_EXIT.HLT);
  assert.deepEqual(harvest().filter(([, page]) => page !== CODE_PAGE), [[0, 2], [0, 9]]);
});
