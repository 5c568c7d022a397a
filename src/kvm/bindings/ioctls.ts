/**
 * The ioctls that are the same on all architectures (include/uapi/linux/kvm.h).
 *
 * Those whose argument an architecture lays out have numbers of its own: see `x86_ioctls.ts`.
 * @module
 */
import { i32, u64 } from "../struct.ts";
import { KvmCreateDevice, KvmDeviceAttr } from "./device.ts";
import { IO, IOR, IOW, IOWR } from "./ioc.ts";
import {
  KvmHypervEventfd,
  KvmIoeventfd,
  KvmIrqfd,
  KvmIrqLevel,
  KvmIrqRouting,
  KvmMsi,
} from "./irq.ts";
import {
  KvmClearDirtyLog,
  KvmCoalescedMmioZone,
  KvmCreateGuestMemfd,
  KvmDirtyLog,
  KvmEncRegion,
  KvmMemoryAttributes,
  KvmPreFaultMemory,
  KvmUserspaceMemoryRegion,
  KvmUserspaceMemoryRegion2,
} from "./memory.ts";
import {
  KvmEnableCap,
  KvmInterrupt,
  KvmMpState,
  KvmOneReg,
  KvmRegList,
  KvmSignalMask,
  KvmTranslation,
} from "./vcpu.ts";

export { KVMIO } from "./ioc.ts";

/** The version of the API that every kernel since 2.6.22 has. */
export const KVM_API_VERSION = 12;

// System ioctls, on /dev/kvm.

/** System ioctl: the version of the API. */
export const KVM_GET_API_VERSION = IO(0x00);
/** System ioctl: makes a virtual machine; gives its descriptor. */
export const KVM_CREATE_VM = IO(0x01);
/** System or VM ioctl: what a capability is worth on this host. */
export const KVM_CHECK_EXTENSION = IO(0x03);
/** System ioctl: the bytes to map of a vCPU's descriptor. */
export const KVM_GET_VCPU_MMAP_SIZE = IO(0x04);

// VM ioctls.

/** VM ioctl: makes a vCPU; gives its descriptor. */
export const KVM_CREATE_VCPU = IO(0x41);
/** VM ioctl: the pages of a slot that were written. */
export const KVM_GET_DIRTY_LOG = IOW(0x42, KvmDirtyLog);
/** VM ioctl: adds, changes or deletes a memory slot. */
export const KVM_SET_USER_MEMORY_REGION = IOW(0x46, KvmUserspaceMemoryRegion);
/** VM ioctl: the same, with a guest_memfd. */
export const KVM_SET_USER_MEMORY_REGION2 = IOW(0x49, KvmUserspaceMemoryRegion2);
/** VM ioctl: makes the interrupt controllers of the architecture. */
export const KVM_CREATE_IRQCHIP = IO(0x60);
/** VM ioctl: sets the level of an interrupt line. */
export const KVM_IRQ_LINE = IOW(0x61, KvmIrqLevel);
/** VM ioctl: the same, and tells what became of it. */
export const KVM_IRQ_LINE_STATUS = IOWR(0x67, KvmIrqLevel);
/** VM ioctl: lets writes to a range wait in a ring. */
export const KVM_REGISTER_COALESCED_MMIO = IOW(0x67, KvmCoalescedMmioZone);
/** VM ioctl: ends that. */
export const KVM_UNREGISTER_COALESCED_MMIO = IOW(0x68, KvmCoalescedMmioZone);
/** VM ioctl: what each GSI leads to. */
export const KVM_SET_GSI_ROUTING = IOW(0x6a, KvmIrqRouting);
/** VM ioctl: binds an eventfd to a GSI. */
export const KVM_IRQFD = IOW(0x76, KvmIrqfd);
/** VM ioctl: which vCPU is the boot processor. */
export const KVM_SET_BOOT_CPU_ID = IO(0x78);
/** VM ioctl: binds an eventfd to an address. */
export const KVM_IOEVENTFD = IOW(0x79, KvmIoeventfd);
/** VM ioctl: injects a message-signalled interrupt. */
export const KVM_SIGNAL_MSI = IOW(0xa5, KvmMsi);
/** VM ioctl: registers encrypted memory. */
export const KVM_MEMORY_ENCRYPT_REG_REGION = IOR(0xbb, KvmEncRegion);
/** VM ioctl: ends that. */
export const KVM_MEMORY_ENCRYPT_UNREG_REGION = IOR(0xbc, KvmEncRegion);
/** VM ioctl: the sub-commands of SEV and TDX. */
export const KVM_MEMORY_ENCRYPT_OP = IOWR(0xba, u64);
/** VM ioctl: binds an eventfd to a connection id of Hyper-V. */
export const KVM_HYPERV_EVENTFD = IOW(0xbd, KvmHypervEventfd);
/** VM ioctl: protects pages of a slot again, with KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
export const KVM_CLEAR_DIRTY_LOG = IOWR(0xc0, KvmClearDirtyLog);
/** VM ioctl: takes back the entries that were harvested from all dirty rings. */
export const KVM_RESET_DIRTY_RINGS = IO(0xc7);
/** VM or vCPU ioctl: a descriptor with its statistics. */
export const KVM_GET_STATS_FD = IO(0xce);
/** VM ioctl: makes ranges private or shared. */
export const KVM_SET_MEMORY_ATTRIBUTES = IOW(0xd2, KvmMemoryAttributes);
/** VM ioctl: makes memory that only the guest sees. */
export const KVM_CREATE_GUEST_MEMFD = IOWR(0xd4, KvmCreateGuestMemfd);
/** VM ioctl: makes a device inside the kernel; gives its descriptor. */
export const KVM_CREATE_DEVICE = IOWR(0xe0, KvmCreateDevice);

/** VM or vCPU ioctl: switches a capability on. */
export const KVM_ENABLE_CAP = IOW(0xa3, KvmEnableCap);

// Device ioctls; some system, VM and vCPU descriptors take them too.

/** Sets an attribute. */
export const KVM_SET_DEVICE_ATTR = IOW(0xe1, KvmDeviceAttr);
/** Gives an attribute. */
export const KVM_GET_DEVICE_ATTR = IOW(0xe2, KvmDeviceAttr);
/** Tells whether there is such an attribute. */
export const KVM_HAS_DEVICE_ATTR = IOW(0xe3, KvmDeviceAttr);

// vCPU ioctls.

/** vCPU ioctl: runs the guest until it needs its VMM. */
export const KVM_RUN = IO(0x80);
/** vCPU ioctl: the physical address of a linear one. */
export const KVM_TRANSLATE = IOWR(0x85, KvmTranslation);
/** vCPU ioctl: queues an external interrupt, without an in-kernel interrupt controller. */
export const KVM_INTERRUPT = IOW(0x86, KvmInterrupt);
/** vCPU ioctl: the signals that are blocked during KVM_RUN. */
export const KVM_SET_SIGNAL_MASK = IOW(0x8b, KvmSignalMask);
/** vCPU ioctl: what the processor waits for. */
export const KVM_GET_MP_STATE = IOR(0x98, KvmMpState);
/** vCPU ioctl: sets that. */
export const KVM_SET_MP_STATE = IOW(0x99, KvmMpState);
/** vCPU ioctl: one register. */
export const KVM_GET_ONE_REG = IOW(0xab, KvmOneReg);
/** vCPU ioctl: sets one register. */
export const KVM_SET_ONE_REG = IOW(0xac, KvmOneReg);
/** vCPU ioctl: the ids of all registers. */
export const KVM_GET_REG_LIST = IOWR(0xb0, KvmRegList);
/** vCPU ioctl: finishes the set-up of a vCPU feature (arm64). */
export const KVM_ARM_VCPU_FINALIZE = IOW(0xc2, i32);
/** vCPU ioctl: maps guest memory before the guest touches it. */
export const KVM_PRE_FAULT_MEMORY = IOWR(0xd5, KvmPreFaultMemory);
