/**
 * The interrupt controllers and the timer that KVM emulates: two 8259s, an I/O APIC, local APICs, an 8254.
 *
 * Each GSI below 16 leads to the 8259s and to the I/O APIC's pin of the same number, those from 16 to 23 to the
 * I/O APIC alone (KVM's default routes).
 *
 * @module
 */
import { KVM_CAP, KVM_IRQCHIP, KVM_PIT_SPEAKER_DUMMY, type Vm } from "../../kvm/mod.ts";
import { KVM_IDENTITY_MAP, KVM_TSS } from "./memory_map.ts";

/** What is asked of the virtual machine. */
export type InterruptVm = Pick<
  Vm,
  | "createIrqchip"
  | "createPit2"
  | "enableCap"
  | "getIrqchip"
  | "setIdentityMapAddr"
  | "setIrqchip"
  | "setTssAddr"
>;

/** KVM_CAP_X2APIC_API: APIC ids have 32 bits, and 0xff is one of them. */
const X2APIC_API_USE_32BIT_IDS = 1 << 0;
const X2APIC_API_DISABLE_BROADCAST_QUIRK = 1 << 1;
const MAXIMUM_XAPIC_ID = 0xfe;
const ALL_MASKED = 0xff;

/**
 * Makes the controllers; before the first vCPU is made.
 *
 * @param highestApicId of all processors
 * @throws {SysError} EEXIST where the virtual machine has some already
 */
export function createInterruptController(vm: InterruptVm, highestApicId: number): void {
  // Both are needed on Intel hosts that can't run real mode natively, and must come before the first vCPU.
  vm.setTssAddr(KVM_TSS.base);
  vm.setIdentityMapAddr(KVM_IDENTITY_MAP.base);
  if (highestApicId > MAXIMUM_XAPIC_ID) {
    const flags = X2APIC_API_USE_32BIT_IDS | X2APIC_API_DISABLE_BROADCAST_QUIRK;
    vm.enableCap(KVM_CAP.X2APIC_API, flags);
  }
  vm.createIrqchip();
  // The dummy speaker answers port 0x61, through which kernels time the TSC against the 8254.
  vm.createPit2(KVM_PIT_SPEAKER_DUMMY);
  for (const chip of [KVM_IRQCHIP.PIC_MASTER, KVM_IRQCHIP.PIC_SLAVE]) maskPic(vm, chip);
}

/**
 * Masks all inputs of an 8259.
 *
 * After KVM's reset they are open, and its vector base is 0: a kernel that never touches the 8259s (Linux on a
 * hardware-reduced machine) would get COM1's interrupt as vector 4, an overflow exception. Firmware leaves them
 * masked too. Initializing an 8259 opens its inputs again.
 */
function maskPic(vm: InterruptVm, chip: number): void {
  const state = vm.getIrqchip(chip);
  vm.setIrqchip({ ...state, chip: { pic: { ...state.chip.pic, imr: ALL_MASKED } } });
}
