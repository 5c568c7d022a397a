/**
 * x86: registers and bytes as text, in the columns of a kernel's own crash report.
 * @module
 */
import type { KvmRegs, KvmSregs } from "./bindings/x86.ts";

/** `0x…`, the way addresses and codes are written everywhere. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

/** Bytes as two hexadecimal digits each. */
export function formatBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

const ROWS: readonly (readonly (keyof KvmRegs)[])[] = [
  ["rip", "rflags"],
  ["rax", "rbx", "rcx", "rdx"],
  ["rsi", "rdi", "rsp", "rbp"],
  ["r8", "r9", "r10", "r11"],
  ["r12", "r13", "r14", "r15"],
];
const CONTROLS = ["cr0", "cr2", "cr3", "cr4", "efer"] as const;
const SEGMENTS = ["cs", "ds", "es", "fs", "gs", "ss", "tr", "ldt"] as const;
const TABLES = ["gdt", "idt"] as const;

/** General, control and segment registers, a few to a line. */
export function formatRegisters(regs: KvmRegs, sregs: KvmSregs): string[] {
  const column = (name: string, value: bigint) =>
    `${name.padStart(6)} ${value.toString(16).padStart(16, "0")}`;
  const lines = ROWS.map((row) => row.map((name) => column(name, regs[name])).join(" "));
  lines.push(CONTROLS.map((name) => `${name} ${hex(sregs[name])}`).join("  "));
  for (const name of SEGMENTS) {
    const { selector, base, limit, type, s, dpl, present, l, db, g } = sregs[name];
    const flags = `type ${hex(type)} s${s} dpl${dpl} p${present} l${l} db${db} g${g}`;
    lines.push(`${name.padEnd(3)} ${hex(selector)} base ${hex(base)} limit ${hex(limit)} ${flags}`);
  }
  for (const name of TABLES) {
    const { base, limit } = sregs[name];
    lines.push(`${name} base ${hex(base)} limit ${hex(limit)}`);
  }
  return lines.map((line) => `  ${line}`);
}
