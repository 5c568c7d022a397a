/**
 * x86: general, segment and control registers, and the floating-point state (arch/x86/include/uapi/asm/kvm.h).
 * @module
 */
import { array, bytes, pad, struct, u16, u32, u64, u8, type ValueOf } from "../struct.ts";

/** The general registers: KVM_GET_REGS, KVM_SET_REGS. */
export const KvmRegs = struct("kvm_regs", {
  rax: u64,
  rbx: u64,
  rcx: u64,
  rdx: u64,
  rsi: u64,
  rdi: u64,
  rsp: u64,
  rbp: u64,
  r8: u64,
  r9: u64,
  r10: u64,
  r11: u64,
  r12: u64,
  r13: u64,
  r14: u64,
  r15: u64,
  rip: u64,
  rflags: u64,
});
/** A value of {@link KvmRegs}. */
export type KvmRegs = ValueOf<typeof KvmRegs>;

/** A segment register with its hidden part. `limit` is in bytes, whatever `g` is. */
export const KvmSegment = struct("kvm_segment", {
  base: u64,
  limit: u32,
  selector: u16,
  type: u8,
  present: u8,
  dpl: u8,
  db: u8,
  s: u8,
  l: u8,
  g: u8,
  avl: u8,
  unusable: u8,
  padding: pad(1),
});
/** A value of {@link KvmSegment}. */
export type KvmSegment = ValueOf<typeof KvmSegment>;

/** GDTR or IDTR. */
export const KvmDtable = struct("kvm_dtable", {
  base: u64,
  limit: u16,
  padding: pad(3, 2),
});
/** A value of {@link KvmDtable}. */
export type KvmDtable = ValueOf<typeof KvmDtable>;

/** How many interrupt vectors there are. */
export const KVM_NR_INTERRUPTS = 256;

const segmentsAndControls = {
  cs: KvmSegment,
  ds: KvmSegment,
  es: KvmSegment,
  fs: KvmSegment,
  gs: KvmSegment,
  ss: KvmSegment,
  tr: KvmSegment,
  ldt: KvmSegment,
  gdt: KvmDtable,
  idt: KvmDtable,
  cr0: u64,
  cr2: u64,
  cr3: u64,
  cr4: u64,
  cr8: u64,
  efer: u64,
  apic_base: u64,
} as const;

/** Segment and control registers: KVM_GET_SREGS, KVM_SET_SREGS. */
export const KvmSregs = struct("kvm_sregs", {
  ...segmentsAndControls,
  interrupt_bitmap: array(u64, KVM_NR_INTERRUPTS / 64),
});
/** A value of {@link KvmSregs}. */
export type KvmSregs = ValueOf<typeof KvmSregs>;

/** The same with the PDPTRs in place of pending interrupts: KVM_GET_SREGS2, KVM_SET_SREGS2. */
export const KvmSregs2 = struct("kvm_sregs2", {
  ...segmentsAndControls,
  flags: u64,
  pdptrs: array(u64, 4),
});
/** A value of {@link KvmSregs2}. */
export type KvmSregs2 = ValueOf<typeof KvmSregs2>;

/** `kvm_sregs2.flags`: pdptrs is valid. */
export const KVM_SREGS2_FLAGS_PDPTRS_VALID = 1;

/** The x87 and SSE state: KVM_GET_FPU, KVM_SET_FPU. */
export const KvmFpu = struct("kvm_fpu", {
  fpr: array(bytes(16), 8),
  fcw: u16,
  fsw: u16,
  ftwx: u8,
  pad1: pad(1),
  last_opcode: u16,
  last_ip: u64,
  last_dp: u64,
  xmm: array(bytes(16), 16),
  mxcsr: u32,
  pad2: pad(1, 4),
});
/** A value of {@link KvmFpu}. */
export type KvmFpu = ValueOf<typeof KvmFpu>;

/**
 * The XSAVE area in the layout of the host's CPUID leaf 0xd: KVM_GET_XSAVE, KVM_SET_XSAVE.
 *
 * With KVM_GET_XSAVE2 more bytes can follow: what KVM_CHECK_EXTENSION(KVM_CAP_XSAVE2) says in all.
 */
export const KvmXsave = struct("kvm_xsave", {
  region: bytes(4096),
});
/** A value of {@link KvmXsave}. */
export type KvmXsave = ValueOf<typeof KvmXsave>;

/** How many extended control registers {@link KvmXcrs} has room for. */
export const KVM_MAX_XCRS = 16;

/** An extended control register. */
export const KvmXcr = struct("kvm_xcr", {
  xcr: u32,
  reserved: pad(1, 4),
  value: u64,
});
/** A value of {@link KvmXcr}. */
export type KvmXcr = ValueOf<typeof KvmXcr>;

/** The extended control registers: KVM_GET_XCRS, KVM_SET_XCRS. */
export const KvmXcrs = struct("kvm_xcrs", {
  nr_xcrs: u32,
  flags: u32,
  xcrs: array(KvmXcr, KVM_MAX_XCRS),
  padding: pad(16, 8),
});
/** A value of {@link KvmXcrs}. */
export type KvmXcrs = ValueOf<typeof KvmXcrs>;

/** KVM_GET_ONE_REG on x86: the register is an MSR. */
export const KVM_X86_REG_TYPE_MSR = 2;
/** KVM_GET_ONE_REG on x86: the register is KVM's own. */
export const KVM_X86_REG_TYPE_KVM = 3;
/** A register of KVM's own: the guest's shadow stack pointer. */
export const KVM_REG_GUEST_SSP = 0;
