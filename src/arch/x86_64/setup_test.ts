import assert from "node:assert/strict";
import { Kvm, KVM_CAP, KVM_EXIT, KVM_IRQCHIP, KVM_MP_STATE, type Vcpu } from "../../kvm/mod.ts";
import { kvmTest } from "../../kvm/test_guest.ts";
import { GuestMemory, GuestRam } from "../../memory/mod.ts";
import { HardwareId, POWER_REGISTERS } from "./acpi/mod.ts";
import type { BootImage } from "./boot_image.ts";
import { Features } from "./cpuid/mod.ts";
import { AMD } from "./cpuid/testing.ts";
import { BootSetupError } from "./errors.ts";
import { MXCSR } from "./fpu.ts";
import { realModeSegment } from "./gdt.ts";
import { createInterruptController } from "./interrupt_controller.ts";
import * as map from "./memory_map.ts";
import { type BootConfiguration, configureBoot, configureVcpu } from "./setup.ts";
import { SetupHeader } from "./zero_page.ts";

const MIB = 2 ** 20;
const PORT = 0x10;
const ENTRY = map.HIGH_MEMORY_START;

const machine: Omit<BootConfiguration, "image"> = {
  topology: { count: 2 },
  supportedCpuid: AMD,
  devices: [{
    name: "COM1",
    hid: HardwareId.SERIAL,
    io: [{ base: 0x3f8, size: 8 }],
    irq: 4,
  }],
  power: POWER_REGISTERS,
};

/** A machine on this host's KVM: two processors, 4 MiB, set up for `image`, whose code is at its entry. */
class Rig implements Disposable {
  readonly #stack = new DisposableStack();
  readonly kvm = this.#stack.use(Kvm.open());
  readonly vm = this.#stack.use(this.kvm.createVm());
  readonly memory: GuestMemory;
  readonly vcpus: readonly Vcpu[];

  constructor(image: BootImage, code: readonly number[]) {
    createInterruptController(this.vm, 1);
    const ram = this.#stack.use(GuestRam.allocate(map.ramRanges(4 * MIB)));
    this.memory = ram.memory;
    for (const [slot, region] of ram.slots.entries()) {
      this.vm.setUserMemoryRegion({ slot, ...region });
    }
    const supportedCpuid = this.kvm.getSupportedCpuid();
    const bootState = configureBoot(this.memory, { ...machine, image, supportedCpuid });
    this.memory.write(image.entry, new Uint8Array(code));
    this.vcpus = [0, 1].map((id) => this.#stack.use(this.vm.createVcpu(id)));
    for (const [index, vcpu] of this.vcpus.entries()) {
      configureVcpu(vcpu, {
        index,
        topology: machine.topology,
        supportedCpuid,
        tscKhz: vcpu.getTscKhz(),
        tscDeadlineTimer: this.kvm.checkExtension(KVM_CAP.TSC_DEADLINE_TIMER) > 0,
        bootState: index === 0 ? bootState : undefined,
      });
    }
  }

  /** Runs the boot processor to its next `out`, and gives the port and what was written. */
  out(): { port: number; value: number } {
    const [{ kvmRun }] = this.vcpus;
    assert.equal(this.vcpus[0].run(), 0);
    assert.equal(kvmRun.exitReason, KVM_EXIT.IO, `exit reason ${kvmRun.exitReason}`);
    return { port: kvmRun.ioPort, value: kvmRun.ioRead(0) };
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]();
  }
}

const OUT_EAX = [0xe7, PORT, 0xf4]; // out PORT, eax; hlt
const OUT_EAX_16 = [0x66, ...OUT_EAX];

kvmTest("the interrupt controllers are handed over with the 8259s masked", () => {
  using rig = new Rig({ protocol: "flat64", entry: ENTRY }, [0xf4]);
  for (const chip of [KVM_IRQCHIP.PIC_MASTER, KVM_IRQCHIP.PIC_SLAVE]) {
    assert.equal(rig.vm.getIrqchip(chip).chip.pic.imr, 0xff);
  }
  assert.equal(
    Number(rig.vm.getIrqchip(KVM_IRQCHIP.IOAPIC).chip.ioapic.base_address),
    map.IOAPIC.base,
  );
  rig.vm.getPit2();
});

kvmTest(
  "KVM takes the CPUID, the MSRs, the FPU and the local APIC of each processor, and gives them back",
  () => {
    using rig = new Rig({ protocol: "linux64", entry: ENTRY }, [0xf4]);
    for (const [index, vcpu] of rig.vcpus.entries()) {
      const leaf = (n: number, i = 0) =>
        vcpu.getCpuid2().find((e) => e.function === n && e.index === i)!;
      const constantTsc = (leaf(0x8000_0007).edx & 0x100) !== 0;
      assert.equal(leaf(1).ebx >>> 24, index);
      assert.deepEqual([leaf(0xb, 0).edx, leaf(0xb, 1).edx], [index, index]);
      assert.equal(leaf(0xb, 1).ebx, 2);
      assert.equal(leaf(0x4000_0010)?.eax, constantTsc ? vcpu.getTscKhz() : undefined);
      assert.equal((leaf(1).ecx >>> Features.HYPERVISOR[3]) & 1, 1);
      assert.deepEqual(vcpu.getMsrs([0x2ff, 0xc000_0082]), [0x806n, 0n]);
      const lapic = new DataView(vcpu.getLapic().buffer);
      assert.equal(lapic.getUint32(0x20, true) >>> 24, index, "the APIC's id");
      assert.equal(lapic.getUint32(0x350, true), index === 0 ? 0x700 : 0x10700);
      assert.equal(lapic.getUint32(0x360, true), 0x400);
      assert.equal(vcpu.getFpu().fcw, 0x37f);
      assert.equal(new DataView(vcpu.getXsave2().buffer).getUint32(24, true), MXCSR);
    }
    assert.deepEqual(rig.vcpus.map((vcpu) => vcpu.getMpState()), [
      KVM_MP_STATE.RUNNABLE,
      KVM_MP_STATE.UNINITIALIZED,
    ]);
  },
);

kvmTest("a processor whose APIC id has more than 8 bits is set up like the others", () => {
  using kvm = Kvm.open();
  using vm = kvm.createVm();
  createInterruptController(vm, 299);
  using vcpu = vm.createVcpu(299);
  const topology = { count: 300 };
  const supportedCpuid = kvm.getSupportedCpuid();
  configureVcpu(vcpu, { index: 299, topology, supportedCpuid, tscDeadlineTimer: true });
  const levels = vcpu.getCpuid2().filter((e) => e.function === 0xb);
  assert.deepEqual(levels.map(({ edx }) => edx), [299, 299, 299]);
});

kvmTest("Linux's 64-bit entry runs in long mode with RSI at boot_params", () => {
  // mov eax, [rsi + 0x202]; out: the header's magic through the identity map
  using rig = new Rig({ protocol: "linux64", entry: ENTRY }, [0x8b, 0x86, 2, 2, 0, 0, ...OUT_EAX]);
  const sregs = rig.vcpus[0].getSregs();
  assert.deepEqual([sregs.efer, sregs.cs.l, sregs.cs.selector], [0x500n, 1, 0x10]);
  assert.deepEqual([sregs.ds.selector, sregs.ss.selector, sregs.tr.selector], [0x18, 0x18, 0x20]);
  assert.deepEqual(rig.out(), { port: PORT, value: 0x53726448 });
});

kvmTest("a 64-bit flat image has a stack, SSE and all of its memory", () => {
  const code = [
    ...[0x68, 0x78, 0x56, 0x34, 0x12], // push 0x12345678
    ...[0xf3, 0x0f, 0x6f, 0x04, 0x24], // movdqu xmm0, [rsp]
    ...[0xf3, 0x0f, 0x7f, 0x04, 0x25, 0, 0, 0x30, 0], // movdqu [0x300000], xmm0
    ...[0x8b, 0x04, 0x25, 0, 0, 0x30, 0], // mov eax, [0x300000]
    ...OUT_EAX,
  ];
  using rig = new Rig({ protocol: "flat64", entry: ENTRY }, code);
  assert.deepEqual(rig.out(), { port: PORT, value: 0x12345678 });
});

kvmTest("32-bit protocols run in protected mode with their registers", () => {
  const READ_ESI = [0x8b, 0x86, 2, 2, 0, 0]; // mov eax, [esi + 0x202]
  const READ_EBX = [0x8b, 0x03]; // mov eax, [ebx]
  const SAVE_CR0 = [0x0f, 0x20, 0xc0]; // mov eax, cr0
  const LOAD_DATA = [0x66, 0xb8, 0x18, 0, 0x8e, 0xd8, 0xa1, 0, 0, 0x10, 0]; // ds = 0x18; eax = [1 MiB]
  const info = 0x20_0000;
  const cases: [BootImage["protocol"], number[], number][] = [
    ["linux32", READ_ESI, 0x53726448],
    ["pvh", READ_EBX, 0x336ec578],
    ["multiboot", [], 0x2badb002],
    ["multiboot", [0x89, 0xd8], info], // mov eax, ebx
    ["flat32", SAVE_CR0, 0x11],
    ["flat32", LOAD_DATA, 0x0018b866], // its own first bytes: the GDT is where GDTR says
  ];
  for (const [protocol, code, expected] of cases) {
    using rig = new Rig({ protocol, entry: ENTRY, multibootInfo: info }, [...code, ...OUT_EAX]);
    assert.deepEqual(rig.out(), { port: PORT, value: expected }, protocol);
  }
});

kvmTest("a real-mode image runs where it was put, below and above 64 KiB", () => {
  for (const entry of [0x7c00, 0x3_0010]) {
    // mov ax, cs; shl eax, 16; call next; next: pop ax; out
    const code = [0x8c, 0xc8, 0x66, 0xc1, 0xe0, 16, 0xe8, 0, 0, 0x58, ...OUT_EAX_16];
    using rig = new Rig({ protocol: "flat16", entry }, code);
    const { value } = rig.out();
    assert.equal((value >>> 16) * 16 + (value & 0xffff), entry + 9);
  }
});

kvmTest("the reset vector resets through the reset register", () => {
  using rig = new Rig({ protocol: "flat16", entry: 0x7c00 }, [0xf4]);
  const [vcpu] = rig.vcpus;
  vcpu.setSregs({ ...vcpu.getSregs(), cs: realModeSegment(0xf000, true) });
  vcpu.setRegs({ rip: 0xfff0n, rflags: 2n });
  assert.deepEqual(rig.out(), { port: POWER_REGISTERS.reset, value: POWER_REGISTERS.resetValue });
});

Deno.test("the boot writes firmware tables for every protocol, and what the protocol passes", () => {
  const text = (memory: GuestMemory, address: number, n: number) =>
    new TextDecoder().decode(memory.readBytes(address, n));
  const protocols = ["linux64", "linux32", "pvh", "multiboot", "flat64", "flat32"] as const;
  for (const protocol of protocols) {
    const memory = GuestMemory.forTest(2 * MIB);
    const commandLine = "console=ttyS0 ümlaut";
    const image = { protocol, entry: ENTRY, commandLine, multibootInfo: 0x1000 };
    configureBoot(memory, { ...machine, image });
    assert.equal(text(memory, map.ACPI_TABLES.base, 8), "RSD PTR ", protocol);
    assert.equal(text(memory, map.MP_TABLE.base, 4), "_MP_", protocol);
    assert.equal(memory.readU8(map.RESET_VECTOR.base), 0xba, protocol);
    const passes = ["linux64", "linux32", "pvh"].includes(protocol);
    const expected = passes ? commandLine + "\0" : "\0";
    const bytes = new TextEncoder().encode(expected);
    assert.deepEqual(memory.readBytes(map.COMMAND_LINE.base, bytes.length), bytes, protocol);
    const linux = protocol.startsWith("linux");
    const magic = memory.readU32(map.ZERO_PAGE.base + SetupHeader.header);
    assert.equal(magic, linux ? 0x53726448 : 0, protocol);
    const info = memory.readU32(map.PVH_START_INFO.base);
    assert.equal(info, protocol === "pvh" ? 0x336ec578 : 0, protocol);
    const paged = protocol.endsWith("64");
    assert.equal(memory.readU8(map.PAGE_TABLES.base) !== 0, paged, protocol);
  }
});

Deno.test("the boot writes nothing outside what it reserves", () => {
  for (const protocol of ["linux64", "linux32", "pvh", "multiboot", "flat64", "flat16"] as const) {
    const memory = GuestMemory.forTest(2 * MIB);
    const reserved = map.reservedRanges(protocol);
    for (const range of reserved) memory.fill(range.base, range.size, 0);
    const image = { protocol, entry: 0x7c00, commandLine: "a", multibootInfo: 0x1000 };
    configureBoot(memory, { ...machine, image });
    for (const range of reserved) memory.fill(range.base, range.size, 0);
    assert.ok(memory.readBytes(0, 2 * MIB).every((byte) => byte === 0), protocol);
  }
});

Deno.test("a boot that is refused leaves the memory as it was", () => {
  const refused: Partial<BootConfiguration>[] = [
    { image: { protocol: "multiboot", entry: ENTRY } },
    { image: { protocol: "linux64", entry: ENTRY, commandLine: "a".repeat(3000) } },
    { image: { protocol: "pvh", entry: ENTRY, commandLine: "a".repeat(65536) } },
    { reserved: [{ base: MIB, size: 4096 }] },
    { devices: [...machine.devices, ...machine.devices] },
    { topology: { count: 0 } },
  ];
  for (const change of refused) {
    const memory = GuestMemory.forTest(2 * MIB);
    const image: BootImage = { protocol: "linux64", entry: ENTRY };
    const configure = () => configureBoot(memory, { ...machine, image, ...change });
    assert.throws(configure, BootSetupError);
    assert.ok(memory.readBytes(0, 2 * MIB).every((byte) => byte === 0));
  }
});
