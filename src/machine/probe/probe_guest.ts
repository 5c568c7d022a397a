/**
 * Runs the tests of the probe's payload, each in a virtual machine of its own, in the calling isolate.
 * @module
 */
import { bootState } from "../../arch/x86_64/boot_registers.ts";
import { CODE64 } from "../../arch/x86_64/gdt.ts";
import { GDT, MINIMUM_RAM } from "../../arch/x86_64/memory_map.ts";
import { identityMap, PML4_ADDRESS } from "../../arch/x86_64/paging.ts";
import { exitReasonName, Kvm, KVM_EXIT, type KvmCpuidEntry2, type Vcpu } from "../../kvm/mod.ts";
import { type GuestMemory, GuestRam } from "../../memory/mod.ts";
import {
  EXCEPTION,
  LABELS,
  PAYLOAD,
  type ProbeTest,
  RESULT_PORT,
  SCRATCH,
  STUB_SIZE,
  VECTORS,
} from "./probe_payload.ts";

/** What became of one instruction. */
export interface InstructionResult {
  /** Its mnemonic, such as `"IRETQ"`. */
  readonly instruction: string;
  /** `not-offered`: the guest's CPUID does not have it, so no kernel uses it. `not-tried`: time was up. */
  readonly status: "works" | "fails" | "not-offered" | "not-tried";
  /** What happened, for people. */
  readonly detail: string;
}

/** Where the payload is loaded: the first RAM above 1 MiB. */
const PAYLOAD_ADDRESS = 0x10_0000;
/** The IDT, a page behind it. */
const IDT_ADDRESS = 0x10_4000;
const GATE_SIZE = 16;
/** Present, DPL 0, 64-bit interrupt gate (Intel SDM volume 3, 6.14.1). */
const INTERRUPT_GATE = 0x8e;
/** A guest page behind the scratch area, more than the XSAVE area of the x87 state takes. */
const SCRATCH_SIZE = 4096;

const CR4_OSXSAVE = 1n << 18n;
/** XCR0 with the x87 state, the one component that has to be there (Intel SDM volume 1, 13.3). */
const XCR0_X87 = 1n;
const CPUID_FEATURES = 1;
const CPUID_ECX_XSAVE = 26;

/** How many bytes at the instruction pointer are told: no instruction has more. */
const INSTRUCTION_BYTES = 15;

/**
 * Runs tests of the payload, one after another.
 *
 * @param expired whether time is up; it is looked at whenever KVM_RUN was interrupted
 * @throws {KvmUnavailableError} @throws {SysError}
 */
export function tryInstructions(
  tests: readonly ProbeTest[],
  expired: () => boolean,
): InstructionResult[] {
  using kvm = Kvm.open();
  using ram = GuestRam.allocate([{ guestAddress: 0, size: MINIMUM_RAM }]);
  const cpuid = kvm.getSupportedCpuid();
  const features = cpuid.find((entry) => entry.function === CPUID_FEATURES)?.ecx ?? 0;
  const offers = (bit: number) => ((features >>> bit) & 1) === 1;
  return tests.map((test) => {
    const { instruction, cpuidEcxBit } = test;
    if (cpuidEcxBit !== undefined && !offers(cpuidEcxBit)) {
      return { instruction, status: "not-offered", detail: "the guest's CPUID does not offer it" };
    }
    if (expired()) return { instruction, status: "not-tried", detail: "time was up" };
    return tryInstruction(kvm, ram, cpuid, test, offers(CPUID_ECX_XSAVE), expired);
  });
}

function tryInstruction(
  kvm: Kvm,
  ram: GuestRam,
  cpuid: readonly KvmCpuidEntry2[],
  test: ProbeTest,
  xsave: boolean,
  expired: () => boolean,
): InstructionResult {
  const { memory } = ram;
  const entry = PAYLOAD_ADDRESS + (LABELS.get(test.instruction) ?? 0);
  const { regs, sregs, gdt } = bootState({ protocol: "flat64", entry });
  memory.write(PAYLOAD_ADDRESS, PAYLOAD);
  memory.write(IDT_ADDRESS, idt());
  memory.write(GDT.base, gdt);
  memory.fill(SCRATCH, SCRATCH_SIZE, 0);
  memory.write(PML4_ADDRESS, identityMap(MINIMUM_RAM));

  using vm = kvm.createVm();
  for (const [slot, region] of ram.slots.entries()) vm.setUserMemoryRegion({ slot, ...region });
  using vcpu = vm.createVcpu(0);
  vcpu.setCpuid2(cpuid);
  const { cs, data, tr, gdt: gdtr, cr0, cr3, cr4, efer } = sregs;
  vcpu.setSregs({
    ...vcpu.getSregs(),
    cs,
    ds: data,
    es: data,
    fs: data,
    gs: data,
    ss: data,
    tr,
    gdt: gdtr,
    idt: { base: BigInt(IDT_ADDRESS), limit: VECTORS * GATE_SIZE - 1 },
    cr0,
    cr3,
    cr4: xsave ? cr4 | CR4_OSXSAVE : cr4,
    efer,
  });
  if (xsave) vcpu.setXcrs([{ xcr: 0, value: XCR0_X87 }]);
  vcpu.setRegs(regs);
  return { instruction: test.instruction, ...outcome(vcpu, memory, test, expired) };
}

/** Interrupt gates for the exceptions, each to its stub. */
function idt(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(VECTORS * GATE_SIZE);
  const view = new DataView(bytes.buffer);
  for (let vector = 0; vector < VECTORS; vector++) {
    const gate = vector * GATE_SIZE;
    const handler = PAYLOAD_ADDRESS + vector * STUB_SIZE;
    view.setUint16(gate, handler & 0xffff, true);
    view.setUint16(gate + 2, CODE64.selector, true);
    view.setUint8(gate + 5, INTERRUPT_GATE);
    view.setUint16(gate + 6, handler >>> 16, true);
  }
  return bytes;
}

/** Runs the guest to its one result, or to what KVM says in its place. */
function outcome(
  vcpu: Vcpu,
  memory: GuestMemory,
  test: ProbeTest,
  expired: () => boolean,
): Omit<InstructionResult, "instruction"> {
  while (vcpu.run() !== 0) {
    if (expired()) return { status: "fails", detail: `it did not end${where(vcpu, memory)}` };
    vcpu.kvmRun.immediateExit = false;
  }
  const { exitReason, ioPort } = vcpu.kvmRun;
  if (exitReason !== KVM_EXIT.IO || ioPort !== RESULT_PORT) {
    return { status: "fails", detail: `${exitReasonName(exitReason)}${where(vcpu, memory)}` };
  }
  const result = vcpu.kvmRun.ioRead(0);
  if (result === test.expected) return { status: "works", detail: "works" };
  if (result >= EXCEPTION) {
    return { status: "fails", detail: `it raised exception ${result - EXCEPTION}` };
  }
  return { status: "fails", detail: "it did something else than the manual says" };
}

/** Where the guest stopped: the bytes at its instruction pointer. */
function where(vcpu: Vcpu, memory: GuestMemory): string {
  const rip = Number(vcpu.getRegs().rip);
  if (!memory.isRam(rip, INSTRUCTION_BYTES)) return ` at 0x${rip.toString(16)}`;
  const bytes = memory.readBytes(rip, INSTRUCTION_BYTES);
  return ` at ${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ")}`;
}
