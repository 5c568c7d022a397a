/**
 * KVM: one class for each of its descriptors, one method for each of its calls.
 *
 * `Kvm`, `Vm` and `Vcpu` are those of x86-64. What every architecture has is in their base classes `KvmFd`,
 * `VmFd` and `VcpuFd`, which code that is not bound to an architecture uses. Numbers and layouts of the kernel's
 * interface are exported under their names in C, such as `KVM_CAP.IRQCHIP` (KVM_CAP_IRQCHIP), `KVM_EXIT.MMIO` and
 * `KvmRegs` (struct kvm_regs).
 *
 * A guest of five lines, in real mode: it writes its answer to a port and halts.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { Kvm, KVM_EXIT } from "denovisor/kvm";
 * import { GuestRam } from "denovisor/memory";
 *
 * // mov al, 'A'; inc al; out 0x10, al; hlt
 * const code = new Uint8Array([0xb0, 0x41, 0xfe, 0xc0, 0xe6, 0x10, 0xf4]);
 *
 * using kvm = Kvm.open();
 * using vm = kvm.createVm();
 * using ram = GuestRam.allocate([{ guestAddress: 0, size: 0x10000 }]);
 * ram.memory.write(0x1000, code);
 * vm.setUserMemoryRegion({ slot: 0, ...ram.slots[0] });
 *
 * using vcpu = vm.createVcpu(0);
 * const sregs = vcpu.getSregs();
 * vcpu.setSregs({ ...sregs, cs: { ...sregs.cs, base: 0n, selector: 0 } });
 * vcpu.setRegs({ rip: 0x1000n, rflags: 2n });
 *
 * assert.equal(vcpu.run(), 0);
 * assert.equal(vcpu.kvmRun.exitReason, KVM_EXIT.IO);
 * assert.equal(vcpu.kvmRun.ioPort, 0x10);
 * assert.equal(String.fromCharCode(vcpu.kvmRun.ioRead(0)), "B");
 *
 * vcpu.run();
 * assert.equal(vcpu.kvmRun.exitReason, KVM_EXIT.HLT);
 * ```
 *
 * A vCPU that runs in a Worker is made here, and attached to there with what `vcpu.spec` says.
 *
 * Every call that fails throws `SysError` with the call, the errno and the object it was for. Sources: the
 * kernel's [KVM API](https://docs.kernel.org/virt/kvm/api.html) and its headers, by which a test judges the
 * bindings.
 * @module
 */
export * from "./bindings/mod.ts";
export * from "./bindings/x86.ts";
export { KvmDescriptor } from "./descriptor.ts";
export { DeviceFd } from "./device.ts";
export { KvmUnavailableError, type KvmUnavailableReason, MsrError } from "./errors.ts";
export * from "./exit.ts";
export { Kvm } from "./kvm.ts";
export { KvmRunPage, type KvmRunSpec } from "./kvm_run.ts";
export * from "./rings.ts";
export {
  type CType,
  FlexType,
  type FlexValueOf,
  type InputOf,
  StructError,
  StructType,
  type ValueOf,
} from "./struct.ts";
export { SyncRegs } from "./sync_regs.ts";
export { KvmFd } from "./system_fd.ts";
export { type NestedState, type Translation, Vcpu } from "./vcpu.ts";
export { VcpuFd, type VcpuSpec } from "./vcpu_fd.ts";
export { VcpuRegisters, type X86VcpuSpec, XSAVE_MIN_SIZE } from "./vcpu_registers.ts";
export { type MsrFilterRange, Vm } from "./vm.ts";
export type {
  CoalescedMmioZone,
  IoeventfdTarget,
  Msi,
  UserMemoryRegion,
  UserMemoryRegion2,
} from "./vm_arguments.ts";
export { VmFd, type VmSpec } from "./vm_fd.ts";
