import assert from "node:assert/strict";
import { EAGAIN, EINTR, kickThread, PAGE_SIZE, SharedMapping, SysError } from "../ffi/mod.ts";
import { KVM_CAP, KVM_EXIT, KVM_EXIT_IO_IN, KVM_EXIT_IO_OUT } from "./bindings/mod.ts";
import {
  GUEST_MEMFD_FLAG_INIT_SHARED,
  GUEST_MEMFD_FLAG_MMAP,
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_MEM_GUEST_MEMFD,
  KVM_MSR_EXIT_REASON_FILTER,
  KVM_MSR_FILTER_READ,
  KVM_MSR_FILTER_WRITE,
  KVM_SYNC_X86_REGS,
  KVM_SYNC_X86_VALID_FIELDS,
} from "./mod.ts";
import type { RunAnswer, RunRequest } from "./run_test_worker.ts";
import { CODE, kvmTest, RAM, TestGuest } from "./test_guest.ts";

const HLT = 0xf4;
/** jmp to itself. */
const SPIN = [0xeb, 0xfe];

/** mov reg16, immediate; `reg` as in opcodes: AX 0, CX 1, DX 2, BX 3, SI 6, DI 7. */
function mov(reg: number, value: number): number[] {
  return [0xb8 + reg, value & 0xff, value >> 8];
}

/** mov ds, ax after mov ax, value. */
function movDs(value: number): number[] {
  return [...mov(0, value), 0x8e, 0xd8];
}

kvmTest(
  "a guest that writes ports of each width exits with direction, port, width and value",
  () => {
    using guest = new TestGuest([
      ...[0x66, 0xb8, 0xef, 0xbe, 0xad, 0xde], // mov eax, 0xdeadbeef
      ...[0xe6, 0x10], // out 0x10, al
      ...mov(2, 0x3f8),
      0xef, // out dx, ax
      ...[0x66, 0xef], // out dx, eax
      HLT,
    ]);
    const { kvmRun } = guest.vcpu;
    const seen = [0, 1, 2].map(() => {
      assert.equal(guest.run(), KVM_EXIT.IO);
      assert.equal(kvmRun.ioDirection, KVM_EXIT_IO_OUT);
      assert.equal(kvmRun.ioCount, 1);
      return [kvmRun.ioPort, kvmRun.ioSize, kvmRun.ioRead(0)];
    });
    assert.deepEqual(seen, [[0x10, 1, 0xef], [0x3f8, 2, 0xbeef], [0x3f8, 4, 0xdead_beef]]);
    assert.equal(guest.run(), KVM_EXIT.HLT);
  },
);

kvmTest("a guest that reads ports of each width gets what is written for it", () => {
  using guest = new TestGuest([
    ...[0xe4, 0x10], // in al, 0x10
    ...[0x88, 0xc3], // mov bl, al
    ...mov(2, 0x3f8),
    0xed, // in ax, dx
    ...[0x89, 0xc6], // mov si, ax
    ...[0x66, 0xed], // in eax, dx
    HLT,
  ]);
  const { kvmRun } = guest.vcpu;
  for (const value of [0x15a, 0x1_1234, 0xcafe_f00d]) {
    assert.equal(guest.run(), KVM_EXIT.IO);
    assert.equal(kvmRun.ioDirection, KVM_EXIT_IO_IN);
    kvmRun.ioWrite(0, value);
  }
  assert.equal(guest.run(), KVM_EXIT.HLT);
  const { rax, rbx, rsi } = guest.vcpu.getRegs();
  assert.deepEqual([rax, rbx & 0xffn, rsi & 0xffffn], [0xcafe_f00dn, 0x5an, 0x1234n]);
});

kvmTest("string output tells of all its accesses, in one exit or several", () => {
  using guest = new TestGuest([
    ...mov(6, 0x2000), // mov si, 0x2000
    ...mov(1, 6), // mov cx, 6
    ...mov(2, 0x80), // mov dx, 0x80
    ...[0xf3, 0x6f], // rep outsw
    HLT,
  ]);
  const words = [0x0102, 0x0304, 0x0506, 0x0708, 0x090a, 0x0b0c];
  new Uint16Array(guest.ram.buffer, guest.ram.byteOffset + 0x2000).set(words);
  const { kvmRun } = guest.vcpu;
  const seen: number[] = [];
  while (guest.run() === KVM_EXIT.IO) {
    assert.equal(kvmRun.ioSize, 2);
    for (let i = 0; i < kvmRun.ioCount; i++) seen.push(kvmRun.ioRead(i));
  }
  assert.equal(kvmRun.exitReason, KVM_EXIT.HLT);
  assert.deepEqual(seen, words);
});

kvmTest("string input of several accesses is filled one by one", () => {
  using guest = new TestGuest([
    ...mov(7, 0x2000), // mov di, 0x2000
    ...mov(1, 4), // mov cx, 4
    ...mov(2, 0x80), // mov dx, 0x80
    ...[0xf3, 0x6c], // rep insb
    HLT,
  ]);
  const { kvmRun } = guest.vcpu;
  let next = 0x30;
  while (guest.run() === KVM_EXIT.IO) {
    for (let i = 0; i < kvmRun.ioCount; i++) kvmRun.ioWrite(i, next++);
  }
  assert.deepEqual([...guest.ram.subarray(0x2000, 0x2004)], [0x30, 0x31, 0x32, 0x33]);
});

kvmTest("an access outside RAM exits with address, width and value, without a bigint", () => {
  using guest = new TestGuest([
    ...movDs(0xa000),
    ...[0xc6, 0x06, 0x04, 0x00, 0x5a], // mov byte [4], 0x5a
    ...[0x66, 0xc7, 0x06, 0x08, 0x00, 0x78, 0x56, 0x34, 0x92], // mov dword [8], 0x92345678
    ...[0x66, 0xa1, 0x0c, 0x00], // mov eax, [12]
    HLT,
  ]);
  const { kvmRun } = guest.vcpu;
  assert.equal(guest.run(), KVM_EXIT.MMIO);
  assert.equal(kvmRun.mmioIsWrite, true);
  assert.equal(kvmRun.mmioAddress, 0xa_0004);
  assert.equal(kvmRun.mmioLength, 1);
  assert.equal(kvmRun.mmioData & 0xff, 0x5a);

  assert.equal(guest.run(), KVM_EXIT.MMIO);
  assert.equal(kvmRun.mmioAddress, 0xa_0008);
  assert.equal(kvmRun.mmioLength, 4);
  assert.equal(kvmRun.mmioData, 0x9234_5678);

  assert.equal(guest.run(), KVM_EXIT.MMIO);
  assert.equal(kvmRun.mmioIsWrite, false);
  assert.equal(kvmRun.mmioAddress, 0xa_000c);
  kvmRun.mmioData = 0xfedc_ba98;
  assert.equal(guest.run(), KVM_EXIT.HLT);
  assert.equal(guest.vcpu.getRegs().rax, 0xfedc_ba98n);
});

kvmTest("eight bytes of MMIO travel in two halves", () => {
  // 64-bit registers need long mode; MMX needs only the FPU: movq mm0, [0]; movq [8], mm0.
  const movq = [0x0f, 0x6f, 0x06, 0x00, 0x00, 0x0f, 0x7f, 0x06, 0x08, 0x00];
  using guest = new TestGuest([...movDs(0xa000), ...movq, HLT]);
  const { kvmRun } = guest.vcpu;
  const halves: number[] = [];
  for (let exit = guest.run(); exit === KVM_EXIT.MMIO; exit = guest.run()) {
    if (kvmRun.mmioIsWrite) {
      halves.push(kvmRun.mmioData);
      if (kvmRun.mmioLength === 8) halves.push(kvmRun.mmioDataHigh);
    } else {
      kvmRun.mmioData = kvmRun.mmioLength === 8 || halves.length === 0 ? 0x8765_4321 : 0x0fed_cba9;
      kvmRun.mmioDataHigh = 0x0fed_cba9;
    }
  }
  assert.equal(kvmRun.exitReason, KVM_EXIT.HLT);
  assert.deepEqual(halves, [0x8765_4321, 0x0fed_cba9]);
});

kvmTest("a physical address above 4 GiB is an exact number", () => {
  using guest = new TestGuest([]);
  const { kvmRun } = guest.vcpu;
  const view = new DataView(kvmRun.bytes.buffer, kvmRun.bytes.byteOffset);
  view.setBigUint64(32, 0xf_ffff_ffff_fffcn, true);
  assert.equal(kvmRun.mmioAddress, 0xf_ffff_ffff_fffc);
});

kvmTest("immediate_exit makes KVM_RUN return at once, as a number", () => {
  using guest = new TestGuest(SPIN);
  guest.vcpu.kvmRun.immediateExit = true;
  assert.equal(guest.vcpu.kvmRun.immediateExit, true);
  assert.equal(guest.vcpu.run(), -EINTR);
  guest.vcpu.kvmRun.immediateExit = false;
  assert.equal(guest.vcpu.kvmRun.immediateExit, false);
});

kvmTest("a vCPU that waits for its SIPI does not run until it is kicked", () => {
  using guest = new TestGuest(SPIN, { irqchip: true });
  using second = guest.vm.createVcpu(1);
  second.kvmRun.immediateExit = true;
  assert([-EINTR, -EAGAIN].includes(second.run()));
});

kvmTest("what KVM_RUN itself refuses is an error", () => {
  using guest = new TestGuest([]);
  using other = new TestGuest([]);
  guest.vcpu[Symbol.dispose]();
  assert.throws(
    () => guest.vcpu.run(),
    (error: unknown) =>
      error instanceof SysError && error.message.startsWith("vCPU 0: ioctl(KVM_RUN)"),
  );
  assert.equal(other.vcpu.closed, false);
});

/** Runs `guest`'s vCPU in a Worker; `kick` is called with the Worker's thread once it is about to run. */
async function runInWorker(
  guest: TestGuest,
  kick: (thread: number) => Promise<void>,
): Promise<RunAnswer> {
  const worker = new Worker(import.meta.resolve("./run_test_worker.ts"), { type: "module" });
  try {
    const answer = new Promise<RunAnswer>((resolve, reject) => {
      worker.onmessage = (event: MessageEvent<RunAnswer>) => resolve(event.data);
      worker.onerror = (event) => reject(new Error(event.message));
    });
    const thread = new SharedArrayBuffer(4);
    worker.postMessage({ spec: guest.vcpu.spec, thread } satisfies RunRequest);
    const word = new Int32Array(thread);
    const started = Atomics.waitAsync(word, 0, 0, 60_000);
    if (started.async) assert.equal(await started.value, "ok");
    await kick(Atomics.load(word, 0));
    return await answer;
  } finally {
    worker.terminate();
  }
}

kvmTest("a vCPU made here runs in a Worker that attaches to it", async () => {
  using guest = new TestGuest([0xe6, 0x42, HLT]);
  const answer = await runInWorker(guest, () => Promise.resolve());
  assert.deepEqual(answer, { result: 0, exitReason: KVM_EXIT.IO });
  // The page is shared, and the owner's descriptor is still open: the guest goes on here.
  assert.equal(guest.vcpu.kvmRun.ioPort, 0x42);
  assert.equal(guest.run(), KVM_EXIT.HLT);
});

kvmTest("a guest that spins in a Worker is taken out by immediate_exit and a signal", async () => {
  using guest = new TestGuest(SPIN);
  const answer = await runInWorker(guest, async (thread) => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    guest.vcpu.kvmRun.immediateExit = true;
    assert.equal(kickThread(thread), true);
  });
  assert.equal(answer.result, -EINTR);
  assert.equal(guest.vcpu.getRegs().rip, BigInt(CODE));
});

kvmTest(
  "registers that were asked for are in the page after each exit, and those set are loaded",
  () => {
    using guest = new TestGuest([0xe6, 0x10, 0xe6, 0x11, HLT]);
    const { syncRegs } = guest.vcpu;
    assert.equal(guest.vm.checkExtension(KVM_CAP.SYNC_REGS) & KVM_SYNC_X86_REGS, KVM_SYNC_X86_REGS);
    syncRegs.request(KVM_SYNC_X86_VALID_FIELDS);
    assert.equal(guest.run(), KVM_EXIT.IO);
    assert.deepEqual(syncRegs.getRegs(), guest.vcpu.getRegs());
    assert.deepEqual(syncRegs.getSregs(), guest.vcpu.getSregs());
    assert.deepEqual(syncRegs.getVcpuEvents(), guest.vcpu.getVcpuEvents());
    assert.equal(syncRegs.rip, syncRegs.getRegs().rip);

    const sregs = syncRegs.getSregs();
    syncRegs.setRegs({ ...syncRegs.getRegs(), rax: 0x77n });
    syncRegs.setSregs({ ...sregs, ds: { ...sregs.ds, selector: 0x100, base: 0x1000n } });
    syncRegs.setVcpuEvents(syncRegs.getVcpuEvents());
    assert.equal(guest.run(), KVM_EXIT.IO);
    assert.equal(guest.vcpu.kvmRun.ioRead(0), 0x77);
    assert.equal(guest.vcpu.kvmRun.dirtyRegs, 0);
    assert.equal(syncRegs.getSregs().ds.base, 0x1000n);

    syncRegs.request(0);
    assert.equal(guest.vcpu.kvmRun.validRegs, 0);
  },
);

kvmTest("single-stepping exits after each instruction", () => {
  using guest = new TestGuest([0x90, 0x90, HLT]);
  guest.vcpu.setGuestDebug(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP);
  assert.equal(guest.run(), KVM_EXIT.DEBUG);
  assert.equal(guest.vcpu.getRegs().rip, BigInt(CODE) + 1n);
  assert.equal(guest.run(), KVM_EXIT.DEBUG);
  assert.equal(guest.vcpu.getRegs().rip, BigInt(CODE) + 2n);
});

kvmTest("MSRs that a filter denies exit to the VMM, which answers or refuses", () => {
  const rdmsr = [0x66, 0xb9, 0x74, 0x01, 0x00, 0x00, 0x0f, 0x32]; // mov ecx, 0x174; rdmsr
  const wrmsr = [0x0f, 0x30];
  using guest = new TestGuest([...rdmsr, ...wrmsr, HLT]);
  guest.vm.enableCap(KVM_CAP.X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER);
  guest.vm.x86SetMsrFilter([{
    flags: KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
    base: 0x174,
    count: 1,
    bitmap: new Uint8Array(1),
  }]);
  const { kvmRun } = guest.vcpu;
  assert.equal(guest.run(), KVM_EXIT.X86_RDMSR);
  assert.equal(kvmRun.msrIndex, 0x174);
  assert.equal(kvmRun.msrReason, KVM_MSR_EXIT_REASON_FILTER);
  kvmRun.msrData = 0x1234_5678_9abc_def0n;
  kvmRun.msrError = false;
  assert.equal(guest.run(), KVM_EXIT.X86_WRMSR);
  assert.equal(kvmRun.msrData, 0x1234_5678_9abc_def0n);
  kvmRun.msrError = false;
  assert.equal(guest.run(), KVM_EXIT.HLT);
});

kvmTest("without an interrupt controller the page tells whether the guest takes interrupts", () => {
  using guest = new TestGuest([0xfb, 0x90, 0xe6, 0x10, 0xfa, 0xe6, 0x10, HLT]); // sti; nop; out; cli; out
  const { kvmRun } = guest.vcpu;
  guest.run();
  assert.equal(kvmRun.ifFlag, true);
  guest.run();
  assert.equal(kvmRun.ifFlag, false);
  assert.equal(kvmRun.readyForInterruptInjection, false);
  assert.equal(kvmRun.cr8, 0);
  assert.equal(kvmRun.flags, 0);
  assert.equal(BigInt(kvmRun.apicBase), guest.vcpu.getSregs().apic_base);
});

kvmTest("KVM_RUN returns at the interrupt window asked for, and an interrupt is taken", () => {
  // sti; nop; jmp to itself; and at 0x3000 a handler: out 0x20, al.
  using guest = new TestGuest([0xfb, 0x90, ...SPIN]);
  guest.ram.set([0xe6, 0x20, HLT], 0x3000);
  guest.ram.set([0x00, 0x30, 0x00, 0x00], 0x31 * 4);
  guest.vcpu.kvmRun.requestInterruptWindow = true;
  assert.equal(guest.run(), KVM_EXIT.IRQ_WINDOW_OPEN);
  assert.equal(guest.vcpu.kvmRun.readyForInterruptInjection, true);
  guest.vcpu.kvmRun.requestInterruptWindow = false;
  guest.vcpu.interrupt(0x31);
  assert.equal(guest.run(), KVM_EXIT.IO);
  assert.equal(guest.vcpu.kvmRun.ioPort, 0x20);
});

const SHARED_GUEST_MEMFD = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED;

kvmTest("a guest runs from memory of a guest_memfd that is mapped", () => {
  using guest = new TestGuest([]);
  using memfd = guest.vm.createGuestMemfd(RAM, SHARED_GUEST_MEMFD);
  using memory = new SharedMapping({ fd: memfd.raw, size: RAM, what: "guest_memfd" });
  memory.bytes().set([0xe6, 0x33, HLT]); // out 0x33, al
  guest.vm.setUserMemoryRegion2({
    slot: 1,
    guestAddress: 0x10000,
    size: RAM,
    hostAddress: memory.address,
    flags: KVM_MEM_GUEST_MEMFD,
    guestMemfd: memfd.raw,
  });
  const sregs = guest.vcpu.getSregs();
  guest.vcpu.setSregs({ ...sregs, cs: { ...sregs.cs, base: 0x10000n, selector: 0x1000 } });
  guest.vcpu.setRegs({ rip: 0n, rflags: 2n });
  assert.equal(guest.run(), KVM_EXIT.IO);
  assert.equal(guest.vcpu.kvmRun.ioPort, 0x33);
}, { capability: KVM_CAP.GUEST_MEMFD_FLAGS, bits: Number(SHARED_GUEST_MEMFD) });

kvmTest("a slot of size zero takes the memory away", () => {
  // mov byte [0x3000], 0x5a
  using guest = new TestGuest([0xc6, 0x06, 0x00, 0x30, 0x5a, HLT]);
  const slot = { slot: 0, guestAddress: 0, hostAddress: guest.ramAddress };
  guest.vm.setUserMemoryRegion({ ...slot, size: 0 });
  guest.vm.setUserMemoryRegion({ ...slot, size: 2 * PAGE_SIZE });
  assert.equal(guest.run(), KVM_EXIT.MMIO);
  assert.equal(guest.vcpu.kvmRun.mmioAddress, 0x3000);
});
