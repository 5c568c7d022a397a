/**
 * x86: CPUID, MSRs, their filters, performance events and machine checks (arch/x86/include/uapi/asm/kvm.h).
 * @module
 */
import {
  array,
  flex,
  type FlexValueOf,
  pad,
  ptr,
  struct,
  u32,
  u64,
  u8,
  type ValueOf,
} from "../struct.ts";

/** One CPUID leaf. */
export const KvmCpuidEntry2 = struct("kvm_cpuid_entry2", {
  function: u32,
  index: u32,
  flags: u32,
  eax: u32,
  ebx: u32,
  ecx: u32,
  edx: u32,
  padding: pad(3, 4),
});
/** A value of {@link KvmCpuidEntry2}. */
export type KvmCpuidEntry2 = ValueOf<typeof KvmCpuidEntry2>;

/** The leaf has sub-leaves, and `index` is one of them. (The kernel spells it this way.) */
export const KVM_CPUID_FLAG_SIGNIFCANT_INDEX = 1 << 0;
/** The leaf's answer depends on how often it was asked. */
export const KVM_CPUID_FLAG_STATEFUL_FUNC = 1 << 1;
/** This is the entry to answer with next. */
export const KVM_CPUID_FLAG_STATE_READ_NEXT = 1 << 2;

/** CPUID leaves: KVM_GET_SUPPORTED_CPUID, KVM_SET_CPUID2 and others. */
export const KvmCpuid2 = flex(
  struct("kvm_cpuid2", { nent: u32, padding: pad(1, 4) }),
  "nent",
  "entries",
  KvmCpuidEntry2,
);
/** A value of {@link KvmCpuid2}. */
export type KvmCpuid2 = FlexValueOf<typeof KvmCpuid2>;

/** A model-specific register and its value. */
export const KvmMsrEntry = struct("kvm_msr_entry", {
  index: u32,
  reserved: pad(1, 4),
  data: u64,
});
/** A value of {@link KvmMsrEntry}. */
export type KvmMsrEntry = ValueOf<typeof KvmMsrEntry>;

/** MSRs: KVM_GET_MSRS, KVM_SET_MSRS. */
export const KvmMsrs = flex(
  struct("kvm_msrs", { nmsrs: u32, pad: pad(1, 4) }),
  "nmsrs",
  "entries",
  KvmMsrEntry,
);
/** A value of {@link KvmMsrs}. */
export type KvmMsrs = FlexValueOf<typeof KvmMsrs>;

/** Numbers of MSRs: KVM_GET_MSR_INDEX_LIST, KVM_GET_MSR_FEATURE_INDEX_LIST. */
export const KvmMsrList = flex(struct("kvm_msr_list", { nmsrs: u32 }), "nmsrs", "indices", u32);
/** A value of {@link KvmMsrList}. */
export type KvmMsrList = FlexValueOf<typeof KvmMsrList>;

/** A filter's range covers reads. */
export const KVM_MSR_FILTER_READ = 1 << 0;
/** A filter's range covers writes. */
export const KVM_MSR_FILTER_WRITE = 1 << 1;
/** How many ranges a filter can have. */
export const KVM_MSR_FILTER_MAX_RANGES = 16;
/** The largest bitmap of a range, in bytes. */
export const KVM_MSR_FILTER_MAX_BITMAP_SIZE = 0x600;
/** MSRs outside all ranges are allowed. */
export const KVM_MSR_FILTER_DEFAULT_ALLOW = 0 << 0;
/** MSRs outside all ranges are denied. */
export const KVM_MSR_FILTER_DEFAULT_DENY = 1 << 0;

/** A range of an MSR filter; a set bit in the bitmap allows what `flags` covers. */
export const KvmMsrFilterRange = struct("kvm_msr_filter_range", {
  flags: u32,
  nmsrs: u32,
  base: u32,
  bitmap: ptr,
});
/** A value of {@link KvmMsrFilterRange}. */
export type KvmMsrFilterRange = ValueOf<typeof KvmMsrFilterRange>;

/** The argument of KVM_X86_SET_MSR_FILTER. Ranges without MSRs are ignored. */
export const KvmMsrFilter = struct("kvm_msr_filter", {
  flags: u32,
  ranges: array(KvmMsrFilterRange, KVM_MSR_FILTER_MAX_RANGES),
});
/** A value of {@link KvmMsrFilter}. */
export type KvmMsrFilter = ValueOf<typeof KvmMsrFilter>;

/** The argument of KVM_SET_PMU_EVENT_FILTER. */
export const KvmPmuEventFilter = flex(
  struct("kvm_pmu_event_filter", {
    action: u32,
    nevents: u32,
    fixed_counter_bitmap: u32,
    flags: u32,
    pad: pad(4, 4),
  }),
  "nevents",
  "events",
  u64,
);
/** A value of {@link KvmPmuEventFilter}. */
export type KvmPmuEventFilter = FlexValueOf<typeof KvmPmuEventFilter>;

/** A filter's action: only the events listed count. */
export const KVM_PMU_EVENT_ALLOW = 0;
/** A filter's action: the events listed do not count. */
export const KVM_PMU_EVENT_DENY = 1;
/** A filter's flag: the events are masked entries. */
export const KVM_PMU_EVENT_FLAG_MASKED_EVENTS = 1 << 0;
/** KVM_CAP_PMU_CAPABILITY: the guest has no PMU. */
export const KVM_PMU_CAP_DISABLE = 1 << 0;

/** The argument of KVM_X86_SET_MCE: a machine check. */
export const KvmX86Mce = struct("kvm_x86_mce", {
  status: u64,
  addr: u64,
  misc: u64,
  mcg_status: u64,
  bank: u8,
  pad1: pad(7),
  pad2: pad(3, 8),
});
/** A value of {@link KvmX86Mce}. */
export type KvmX86Mce = ValueOf<typeof KvmX86Mce>;

/** The argument of KVM_TPR_ACCESS_REPORTING. */
export const KvmTprAccessCtl = struct("kvm_tpr_access_ctl", {
  enabled: u32,
  flags: u32,
  reserved: pad(8, 4),
});
/** A value of {@link KvmTprAccessCtl}. */
export type KvmTprAccessCtl = ValueOf<typeof KvmTprAccessCtl>;

/** The argument of KVM_SET_VAPIC_ADDR. */
export const KvmVapicAddr = struct("kvm_vapic_addr", { vapic_addr: u64 });
/** A value of {@link KvmVapicAddr}. */
export type KvmVapicAddr = ValueOf<typeof KvmVapicAddr>;
