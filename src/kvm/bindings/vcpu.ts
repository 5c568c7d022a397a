/**
 * What vCPUs of all architectures have, and capabilities that are enabled (include/uapi/linux/kvm.h).
 * @module
 */
import {
  array,
  flex,
  type FlexValueOf,
  i16,
  pad,
  struct,
  u16,
  u32,
  u64,
  u8,
  type ValueOf,
} from "../struct.ts";

/** The argument of KVM_GET_MP_STATE and KVM_SET_MP_STATE. */
export const KvmMpState = struct("kvm_mp_state", { mp_state: u32 });
/** A value of {@link KvmMpState}. */
export type KvmMpState = ValueOf<typeof KvmMpState>;

/** KVM_MP_STATE_*, without the prefix, for all architectures. */
export const KVM_MP_STATE = {
  RUNNABLE: 0,
  UNINITIALIZED: 1,
  INIT_RECEIVED: 2,
  HALTED: 3,
  SIPI_RECEIVED: 4,
  STOPPED: 5,
  CHECK_STOP: 6,
  OPERATING: 7,
  LOAD: 8,
  AP_RESET_HOLD: 9,
  SUSPENDED: 10,
} as const;

/** The argument of KVM_SET_SIGNAL_MASK: the signals blocked during KVM_RUN, as the kernel's sigset_t. */
export const KvmSignalMask = flex(
  struct("kvm_signal_mask", { len: u32 }),
  "len",
  "sigset",
  u8,
);
/** A value of {@link KvmSignalMask}. */
export type KvmSignalMask = FlexValueOf<typeof KvmSignalMask>;

/** The argument of KVM_TRANSLATE: the kernel fills all but linear_address. */
export const KvmTranslation = struct("kvm_translation", {
  linear_address: u64,
  physical_address: u64,
  valid: u8,
  writeable: u8,
  usermode: u8,
  pad: pad(5),
});
/** A value of {@link KvmTranslation}. */
export type KvmTranslation = ValueOf<typeof KvmTranslation>;

/** The argument of KVM_INTERRUPT. */
export const KvmInterrupt = struct("kvm_interrupt", { irq: u32 });
/** A value of {@link KvmInterrupt}. */
export type KvmInterrupt = ValueOf<typeof KvmInterrupt>;

/** The argument of KVM_ENABLE_CAP. */
export const KvmEnableCap = struct("kvm_enable_cap", {
  cap: u32,
  flags: u32,
  args: array(u64, 4),
  pad: pad(64),
});
/** A value of {@link KvmEnableCap}. */
export type KvmEnableCap = ValueOf<typeof KvmEnableCap>;

/** The argument of KVM_GET_ONE_REG and KVM_SET_ONE_REG; `addr` points to the value. */
export const KvmOneReg = struct("kvm_one_reg", { id: u64, addr: u64 });
/** A value of {@link KvmOneReg}. */
export type KvmOneReg = ValueOf<typeof KvmOneReg>;

/** The argument of KVM_GET_REG_LIST: the ids that KVM_GET_ONE_REG takes. */
export const KvmRegList = flex(struct("kvm_reg_list", { n: u64 }), "n", "reg", u64);
/** A value of {@link KvmRegList}. */
export type KvmRegList = FlexValueOf<typeof KvmRegList>;

/** The bits of a register id that tell the architecture. */
export const KVM_REG_ARCH_MASK = 0xff00_0000_0000_0000n;
/** The architecture of register ids that belong to none. */
export const KVM_REG_GENERIC = 0n;
/** The architecture x86 in a register id. */
export const KVM_REG_X86 = 0x2000_0000_0000_0000n;
/** The architecture AArch64 in a register id. */
export const KVM_REG_ARM64 = 0x6000_0000_0000_0000n;
/** The architecture RISC-V in a register id. */
export const KVM_REG_RISCV = 0x8000_0000_0000_0000n;
/** Where a register id holds the binary logarithm of the register's bytes. */
export const KVM_REG_SIZE_SHIFT = 52;
/** The bits of a register id that tell the register's size. */
export const KVM_REG_SIZE_MASK = 0x00f0_0000_0000_0000n;
/** The size of 1 byte in a register id. */
export const KVM_REG_SIZE_U8 = 0x0000_0000_0000_0000n;
/** The size of 2 bytes in a register id. */
export const KVM_REG_SIZE_U16 = 0x0010_0000_0000_0000n;
/** The size of 4 bytes in a register id. */
export const KVM_REG_SIZE_U32 = 0x0020_0000_0000_0000n;
/** The size of 8 bytes in a register id. */
export const KVM_REG_SIZE_U64 = 0x0030_0000_0000_0000n;
/** The size of 16 bytes in a register id. */
export const KVM_REG_SIZE_U128 = 0x0040_0000_0000_0000n;
/** The size of 32 bytes in a register id. */
export const KVM_REG_SIZE_U256 = 0x0050_0000_0000_0000n;
/** The size of 64 bytes in a register id. */
export const KVM_REG_SIZE_U512 = 0x0060_0000_0000_0000n;
/** The size of 128 bytes in a register id. */
export const KVM_REG_SIZE_U1024 = 0x0070_0000_0000_0000n;
/** The size of 256 bytes in a register id. */
export const KVM_REG_SIZE_U2048 = 0x0080_0000_0000_0000n;

/** KVM_SET_GUEST_DEBUG's control: debugging is on. */
export const KVM_GUESTDBG_ENABLE = 0x0000_0001;
/** KVM_SET_GUEST_DEBUG's control: KVM_EXIT_DEBUG after every instruction. */
export const KVM_GUESTDBG_SINGLESTEP = 0x0000_0002;

/** The head of a statistics file (KVM_GET_STATS_FD). */
export const KvmStatsHeader = struct("kvm_stats_header", {
  flags: u32,
  name_size: u32,
  num_desc: u32,
  id_offset: u32,
  desc_offset: u32,
  data_offset: u32,
});
/** A value of {@link KvmStatsHeader}. */
export type KvmStatsHeader = ValueOf<typeof KvmStatsHeader>;

/** The description of one statistic; `name_size` bytes of its name follow. */
export const KvmStatsDesc = struct("kvm_stats_desc", {
  flags: u32,
  exponent: i16,
  size: u16,
  offset: u32,
  bucket_size: u32,
});
/** A value of {@link KvmStatsDesc}. */
export type KvmStatsDesc = ValueOf<typeof KvmStatsDesc>;
