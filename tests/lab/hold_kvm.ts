/**
 * A program that keeps KVM in use for as long as the lab runs.
 *
 * The kernel patches its own code when the first machine is made and the last one goes (static
 * keys: `preempt_notifier_key` in the scheduler; in KVM, whether any vCPU has no local APIC, or has
 * it switched off). QEMU 7.2's multi-threaded emulation can translate such code while it is being
 * patched and then goes on to execute what was there before: an INT3 that is not there any more,
 * for ever. So the keys are switched once, before anything else runs, and never back.
 *
 * @module
 */

import { staticExecutable } from "../assets/elf.ts";

/** The program as x86-64 assembly. The test beside it holds the bytes against an assembler. */
export const HOLD_KVM_ASSEMBLY = `
_start:
  lea rdi, [rip+path]           # open("/dev/kvm", O_RDWR)
  mov esi, 2
  mov eax, 2
  syscall
  mov r12, rax
  call create_vm                # a vCPU whose local APIC is off, as at reset
  mov esi, 0xae60               # KVM_CREATE_IRQCHIP
  xor edx, edx
  call vm_ioctl
  call create_vcpu
  call create_vm                # a vCPU without a local APIC
  call create_vcpu
  mov eax, 57                   # fork
  syscall
  test rax, rax
  js fail
  jz hold
  xor edi, edi
  jmp exit
hold:
  mov eax, 34                   # pause
  syscall
  jmp hold
create_vm:
  mov rdi, r12
  mov esi, 0xae01               # KVM_CREATE_VM
  xor edx, edx
  call ioctl
  mov rbx, rax
  ret
create_vcpu:
  mov esi, 0xae41               # KVM_CREATE_VCPU
  xor edx, edx
vm_ioctl:
  mov rdi, rbx
ioctl:
  mov eax, 16
  syscall
  test rax, rax
  js fail
  ret
fail:
  mov edi, 1
exit:
  mov eax, 60
  syscall
path:
  .asciz "/dev/kvm"
`;

const CODE = Uint8Array.fromHex(
  "488d3d80000000be02000000b8020000000f054989c4e836000000be60ae0000" +
    "31d2e844000000e838000000e820000000e82e000000b8390000000f054885c0" +
    "7839740431ffeb38b8220000000f05ebf74c89e7be01ae000031d2e80e000000" +
    "4889c3c3be41ae000031d24889dfb8100000000f054885c07801c3bf01000000" +
    "b83c0000000f052f6465762f6b766d00",
);

/** The program as an executable: ends with 0 once a child of it holds the machines, or with 1. */
export function holdKvmProgram(): Uint8Array<ArrayBuffer> {
  return staticExecutable(CODE);
}
