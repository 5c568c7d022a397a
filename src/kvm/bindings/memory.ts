/**
 * Memory slots, dirty logging, coalesced MMIO and guest_memfd (include/uapi/linux/kvm.h).
 * @module
 */
import { bytes, pad, ptr, struct, u32, u64, type ValueOf } from "../struct.ts";

/** The argument of KVM_SET_USER_MEMORY_REGION: one memory slot. A memory_size of 0 deletes it. */
export const KvmUserspaceMemoryRegion = struct("kvm_userspace_memory_region", {
  slot: u32,
  flags: u32,
  guest_phys_addr: u64,
  memory_size: u64,
  userspace_addr: u64,
});
/** A value of {@link KvmUserspaceMemoryRegion}. */
export type KvmUserspaceMemoryRegion = ValueOf<typeof KvmUserspaceMemoryRegion>;

/** The argument of KVM_SET_USER_MEMORY_REGION2: a memory slot that may be backed by a guest_memfd. */
export const KvmUserspaceMemoryRegion2 = struct("kvm_userspace_memory_region2", {
  slot: u32,
  flags: u32,
  guest_phys_addr: u64,
  memory_size: u64,
  userspace_addr: u64,
  guest_memfd_offset: u64,
  guest_memfd: u32,
  pad1: pad(1, 4),
  pad2: pad(14, 8),
});
/** A value of {@link KvmUserspaceMemoryRegion2}. */
export type KvmUserspaceMemoryRegion2 = ValueOf<typeof KvmUserspaceMemoryRegion2>;

/** A memory slot's flag: log which pages the guest writes. */
export const KVM_MEM_LOG_DIRTY_PAGES = 1 << 0;
/** A memory slot's flag: guest writes become KVM_EXIT_MMIO. */
export const KVM_MEM_READONLY = 1 << 1;
/** A memory slot's flag: private memory comes from guest_memfd. */
export const KVM_MEM_GUEST_MEMFD = 1 << 2;

/** The argument of KVM_GET_DIRTY_LOG; the bitmap has one bit for each page. */
export const KvmDirtyLog = struct("kvm_dirty_log", {
  slot: u32,
  padding1: pad(1, 4),
  dirty_bitmap: ptr,
});
/** A value of {@link KvmDirtyLog}. */
export type KvmDirtyLog = ValueOf<typeof KvmDirtyLog>;

/** The argument of KVM_CLEAR_DIRTY_LOG. */
export const KvmClearDirtyLog = struct("kvm_clear_dirty_log", {
  slot: u32,
  num_pages: u32,
  first_page: u64,
  dirty_bitmap: ptr,
});
/** A value of {@link KvmClearDirtyLog}. */
export type KvmClearDirtyLog = ValueOf<typeof KvmClearDirtyLog>;

/** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: pages are protected again by KVM_CLEAR_DIRTY_LOG only. */
export const KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE = 1 << 0;
/** KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: a new log begins with every page dirty. */
export const KVM_DIRTY_LOG_INITIALLY_SET = 1 << 1;

/** One entry of a vCPU's dirty ring (KVM_CAP_DIRTY_LOG_RING). */
export const KvmDirtyGfn = struct("kvm_dirty_gfn", {
  flags: u32,
  slot: u32,
  offset: u64,
});
/** A value of {@link KvmDirtyGfn}. */
export type KvmDirtyGfn = ValueOf<typeof KvmDirtyGfn>;

/** The entry tells of a dirty page that was not harvested yet. */
export const KVM_DIRTY_GFN_F_DIRTY = 1 << 0;
/** The entry was harvested and may be reset by KVM_RESET_DIRTY_RINGS. */
export const KVM_DIRTY_GFN_F_RESET = 1 << 1;
/** All flags of a dirty ring's entry. */
export const KVM_DIRTY_GFN_F_MASK = 0x3;

/** The argument of KVM_REGISTER_COALESCED_MMIO; `pio` is 1 for a range of ports. */
export const KvmCoalescedMmioZone = struct("kvm_coalesced_mmio_zone", {
  addr: u64,
  size: u32,
  pio: u32,
});
/** A value of {@link KvmCoalescedMmioZone}. */
export type KvmCoalescedMmioZone = ValueOf<typeof KvmCoalescedMmioZone>;

/** One write that waits in the coalesced MMIO ring. */
export const KvmCoalescedMmio = struct("kvm_coalesced_mmio", {
  phys_addr: u64,
  len: u32,
  pio: u32,
  data: bytes(8),
});
/** A value of {@link KvmCoalescedMmio}. */
export type KvmCoalescedMmio = ValueOf<typeof KvmCoalescedMmio>;

/** The head of the coalesced MMIO ring; entries (kvm_coalesced_mmio) fill the rest of the page. */
export const KvmCoalescedMmioRing = struct("kvm_coalesced_mmio_ring", {
  first: u32,
  last: u32,
});
/** A value of {@link KvmCoalescedMmioRing}. */
export type KvmCoalescedMmioRing = ValueOf<typeof KvmCoalescedMmioRing>;

/** The argument of KVM_SET_MEMORY_ATTRIBUTES. */
export const KvmMemoryAttributes = struct("kvm_memory_attributes", {
  address: u64,
  size: u64,
  attributes: u64,
  flags: u64,
});
/** A value of {@link KvmMemoryAttributes}. */
export type KvmMemoryAttributes = ValueOf<typeof KvmMemoryAttributes>;

/** A memory attribute: the range is private to the guest. */
export const KVM_MEMORY_ATTRIBUTE_PRIVATE = 1n << 3n;

/** The argument of KVM_CREATE_GUEST_MEMFD. */
export const KvmCreateGuestMemfd = struct("kvm_create_guest_memfd", {
  size: u64,
  flags: u64,
  reserved: pad(6, 8),
});
/** A value of {@link KvmCreateGuestMemfd}. */
export type KvmCreateGuestMemfd = ValueOf<typeof KvmCreateGuestMemfd>;

/** A guest_memfd's flag: it may be mapped. */
export const GUEST_MEMFD_FLAG_MMAP = 1n << 0n;
/** A guest_memfd's flag: its memory begins as shared. */
export const GUEST_MEMFD_FLAG_INIT_SHARED = 1n << 1n;

/** The argument of KVM_PRE_FAULT_MEMORY. */
export const KvmPreFaultMemory = struct("kvm_pre_fault_memory", {
  gpa: u64,
  size: u64,
  flags: u64,
  padding: pad(5, 8),
});
/** A value of {@link KvmPreFaultMemory}. */
export type KvmPreFaultMemory = ValueOf<typeof KvmPreFaultMemory>;

/** The argument of KVM_MEMORY_ENCRYPT_REG_REGION and KVM_MEMORY_ENCRYPT_UNREG_REGION. */
export const KvmEncRegion = struct("kvm_enc_region", {
  addr: u64,
  size: u64,
});
/** A value of {@link KvmEncRegion}. */
export type KvmEncRegion = ValueOf<typeof KvmEncRegion>;
