/**
 * x86: a report of why a vCPU stopped, for people: the exit, the registers and the code at RIP.
 *
 * This is the slow path, for what can't be handled. It must not fail because the guest is in a bad state: what
 * can't be read is left out.
 * @module
 */
import {
  exitReasonName,
  internalErrorName,
  KVM_EXIT,
  KVM_EXIT_IO_OUT,
  KVM_INTERNAL_ERROR,
  KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES,
  systemEventName,
} from "./bindings/mod.ts";
import { type KvmRegs, KvmRun, type KvmSregs } from "./bindings/x86.ts";
import { formatBytes, formatRegisters, hex } from "./format.ts";
import type { Vcpu } from "./vcpu.ts";

/** Reads `length` bytes of guest memory at a guest physical address; undefined, or throws, where it can't. */
export type MemoryReader = (address: number, length: number) => Uint8Array | undefined;

/** The code that the vCPU was about to execute. */
export interface ExitCode {
  /** The linear address of the first byte: CS.base + RIP. */
  readonly linearAddress: bigint;
  /** Where that is in guest physical memory. */
  readonly physicalAddress: number;
  /** As many bytes as an instruction can have, fewer at the end of a page. */
  readonly bytes: Uint8Array;
}

/** Why a vCPU stopped. */
export interface ExitDescription {
  /** The vCPU's id. */
  readonly vcpu: number;
  /** kvm_run.exit_reason. */
  readonly reason: number;
  /** Its name, such as `"KVM_EXIT_INTERNAL_ERROR"`. */
  readonly name: string;
  /** What the exit tells, in the order of a report; numbers as text, in hexadecimal where that is customary. */
  readonly fields: Readonly<Record<string, string>>;
  /** The general registers, where they could be read. */
  readonly regs?: KvmRegs;
  /** Segment and control registers, where they could be read. */
  readonly sregs?: KvmSregs;
  /** The code at RIP, where it could be read. */
  readonly code?: ExitCode;
  /** All of it as lines of text. */
  readonly text: string;
}

/** The longest instruction of x86. */
const INSTRUCTION_BYTES = 15;
const PAGE = 4096n;

/**
 * Describes the exit that a vCPU's KVM_RUN came back with, and the state it left the guest in.
 *
 * @param readMemory gives the bytes at RIP; without it they are left out
 */
export function describeExit(vcpu: Vcpu, readMemory?: MemoryReader): ExitDescription {
  const run = KvmRun.decode(vcpu.kvmRun.bytes);
  const reason = run.exit_reason;
  const name = exitReasonName(reason);
  const fields = exitFields(run);
  const regs = attempt(() => vcpu.getRegs());
  const sregs = attempt(() => vcpu.getSregs());
  const code = regs && sregs && readMemory && codeAt(vcpu, regs, sregs, readMemory);
  const lines = [`vCPU ${vcpu.id}: ${name}`];
  for (const [field, value] of Object.entries(fields)) lines.push(`  ${field}: ${value}`);
  if (regs && sregs) lines.push(...formatRegisters(regs, sregs));
  if (code) {
    const at = `${hex(code.linearAddress)} (physical ${hex(code.physicalAddress)})`;
    lines.push(`  code at ${at}: ${formatBytes(code.bytes)}`);
  }
  return { vcpu: vcpu.id, reason, name, fields, regs, sregs, code, text: lines.join("\n") };
}

/** What the exit's alternative of the union tells. */
function exitFields(run: KvmRun): Record<string, string> {
  const { exit } = run;
  switch (run.exit_reason) {
    case KVM_EXIT.UNKNOWN:
      return { "hardware exit reason": hex(exit.hw.hardware_exit_reason) };
    case KVM_EXIT.EXCEPTION:
      return { exception: String(exit.ex.exception), "error code": hex(exit.ex.error_code) };
    case KVM_EXIT.IO:
      return {
        direction: exit.io.direction === KVM_EXIT_IO_OUT ? "out" : "in",
        port: hex(exit.io.port),
        size: String(exit.io.size),
        count: String(exit.io.count),
      };
    case KVM_EXIT.MMIO:
      return {
        direction: exit.mmio.is_write ? "write" : "read",
        address: hex(exit.mmio.phys_addr),
        size: String(exit.mmio.len),
        ...(exit.mmio.is_write
          ? { data: formatBytes(exit.mmio.data.subarray(0, exit.mmio.len)) }
          : {}),
      };
    case KVM_EXIT.HYPERCALL:
      return { number: hex(exit.hypercall.nr), arguments: exit.hypercall.args.map(hex).join(" ") };
    case KVM_EXIT.DEBUG:
      return {
        exception: String(exit.debug.arch.exception),
        pc: hex(exit.debug.arch.pc),
        dr6: hex(exit.debug.arch.dr6),
        dr7: hex(exit.debug.arch.dr7),
      };
    case KVM_EXIT.FAIL_ENTRY:
      return {
        "hardware entry failure reason": hex(exit.fail_entry.hardware_entry_failure_reason),
        "host CPU": String(exit.fail_entry.cpu),
      };
    case KVM_EXIT.TPR_ACCESS:
      return {
        rip: hex(exit.tpr_access.rip),
        direction: exit.tpr_access.is_write ? "write" : "read",
      };
    case KVM_EXIT.INTERNAL_ERROR:
      return internalErrorFields(run);
    case KVM_EXIT.SYSTEM_EVENT: {
      const { type, ndata, data } = exit.system_event;
      return { event: systemEventName(type), data: data.slice(0, ndata).map(hex).join(" ") };
    }
    case KVM_EXIT.IOAPIC_EOI:
      return { vector: hex(exit.eoi.vector) };
    case KVM_EXIT.X86_RDMSR:
    case KVM_EXIT.X86_WRMSR: {
      const { index, reason, data } = exit.msr;
      const fields = { msr: hex(index), reason: hex(reason) };
      return run.exit_reason === KVM_EXIT.X86_WRMSR ? { ...fields, data: hex(data) } : fields;
    }
    case KVM_EXIT.NOTIFY:
      return { flags: hex(exit.notify.flags) };
    case KVM_EXIT.MEMORY_FAULT: {
      const { flags, gpa, size } = exit.memory_fault;
      return { flags: hex(flags), address: hex(gpa), size: hex(size) };
    }
    default:
      return {};
  }
}

function internalErrorFields(run: KvmRun): Record<string, string> {
  const { internal, emulation_failure: failure } = run.exit;
  const fields: Record<string, string> = { suberror: internalErrorName(internal.suberror) };
  // An emulation failure's data begins with flags, and what they announce; older kernels give none of it.
  let debugData = 0;
  if (internal.suberror === KVM_INTERNAL_ERROR.EMULATION && internal.ndata > 0) {
    debugData = 1;
    if ((failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) !== 0n) {
      debugData = 3;
      const length = Math.min(failure.insn_size, INSTRUCTION_BYTES);
      fields["instruction bytes"] = formatBytes(failure.insn_bytes.subarray(0, length));
    }
  }
  const data = internal.data.slice(debugData, internal.ndata);
  if (data.length > 0) fields.data = data.map(hex).join(" ");
  return fields;
}

/** The bytes at CS:RIP. */
function codeAt(
  vcpu: Vcpu,
  regs: KvmRegs,
  sregs: KvmSregs,
  readMemory: MemoryReader,
): ExitCode | undefined {
  const linearAddress = BigInt.asUintN(64, sregs.cs.base + regs.rip);
  const physicalAddress = attempt(() => vcpu.translate(linearAddress))?.physicalAddress;
  if (physicalAddress === undefined) return undefined;
  // The next page may lie anywhere.
  const length = Math.min(INSTRUCTION_BYTES, Number(PAGE - linearAddress % PAGE));
  const bytes = attempt(() => readMemory(physicalAddress, length));
  if (bytes === undefined || bytes.length === 0) return undefined;
  return { linearAddress, physicalAddress, bytes };
}

/** What `body` gives, or undefined where it throws: a report tells what it can. */
function attempt<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch {
    return undefined;
  }
}
