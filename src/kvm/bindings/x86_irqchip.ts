/**
 * x86: the in-kernel PIC, I/O APIC, local APIC and PIT (arch/x86/include/uapi/asm/kvm.h).
 * @module
 */
import {
  array,
  bytes,
  i64,
  pad,
  struct,
  u16,
  u32,
  u64,
  u8,
  union,
  type ValueOf,
} from "../struct.ts";

/** One 8259A. */
export const KvmPicState = struct("kvm_pic_state", {
  last_irr: u8,
  irr: u8,
  imr: u8,
  isr: u8,
  priority_add: u8,
  irq_base: u8,
  read_reg_select: u8,
  poll: u8,
  special_mask: u8,
  init_state: u8,
  auto_eoi: u8,
  rotate_on_auto_eoi: u8,
  special_fully_nested_mode: u8,
  init4: u8,
  elcr: u8,
  elcr_mask: u8,
});
/** A value of {@link KvmPicState}. */
export type KvmPicState = ValueOf<typeof KvmPicState>;

/** How many pins the I/O APIC has. */
export const KVM_IOAPIC_NUM_PINS = 24;

/** The I/O APIC; an entry of redirtbl is a redirection entry as in the 82093AA's data sheet. */
export const KvmIoapicState = struct("kvm_ioapic_state", {
  base_address: u64,
  ioregsel: u32,
  id: u32,
  irr: u32,
  pad: pad(1, 4),
  redirtbl: array(u64, KVM_IOAPIC_NUM_PINS),
});
/** A value of {@link KvmIoapicState}. */
export type KvmIoapicState = ValueOf<typeof KvmIoapicState>;

/** KVM_IRQCHIP_*, without the prefix: the chip_id of {@link KvmIrqchip} and the irqchip of a route. */
export const KVM_IRQCHIP = {
  PIC_MASTER: 0,
  PIC_SLAVE: 1,
  IOAPIC: 2,
} as const;
/** How many chips there are. */
export const KVM_NR_IRQCHIPS = 3;

/** An interrupt controller: KVM_GET_IRQCHIP, KVM_SET_IRQCHIP. `chip_id` tells which. */
export const KvmIrqchip = struct("kvm_irqchip", {
  chip_id: u32,
  pad: pad(1, 4),
  chip: union({ pic: KvmPicState, ioapic: KvmIoapicState }, 512),
});
/** A value of {@link KvmIrqchip}. */
export type KvmIrqchip = ValueOf<typeof KvmIrqchip>;

/** The bytes of the local APIC's register page that count. */
export const KVM_APIC_REG_SIZE = 0x400;

/** The local APIC's registers, 16 bytes apart as in memory: KVM_GET_LAPIC, KVM_SET_LAPIC. */
export const KvmLapicState = struct("kvm_lapic_state", { regs: bytes(KVM_APIC_REG_SIZE) });
/** A value of {@link KvmLapicState}. */
export type KvmLapicState = ValueOf<typeof KvmLapicState>;

/** The argument of KVM_CREATE_PIT2. */
export const KvmPitConfig = struct("kvm_pit_config", {
  flags: u32,
  pad: pad(15, 4),
});
/** A value of {@link KvmPitConfig}. */
export type KvmPitConfig = ValueOf<typeof KvmPitConfig>;

/** KVM_CREATE_PIT2's flag: port 0x61 is emulated, without a sound. */
export const KVM_PIT_SPEAKER_DUMMY = 1;

/** One channel of the 8254. */
export const KvmPitChannelState = struct("kvm_pit_channel_state", {
  count: u32,
  latched_count: u16,
  count_latched: u8,
  status_latched: u8,
  status: u8,
  read_state: u8,
  write_state: u8,
  write_latch: u8,
  rw_mode: u8,
  mode: u8,
  bcd: u8,
  gate: u8,
  count_load_time: i64,
});
/** A value of {@link KvmPitChannelState}. */
export type KvmPitChannelState = ValueOf<typeof KvmPitChannelState>;

/** The 8254, in its first layout: KVM_GET_PIT, KVM_SET_PIT. */
export const KvmPitState = struct("kvm_pit_state", {
  channels: array(KvmPitChannelState, 3),
});
/** A value of {@link KvmPitState}. */
export type KvmPitState = ValueOf<typeof KvmPitState>;

/** The 8254: KVM_GET_PIT2, KVM_SET_PIT2. */
export const KvmPitState2 = struct("kvm_pit_state2", {
  channels: array(KvmPitChannelState, 3),
  flags: u32,
  reserved: pad(9, 4),
});
/** A value of {@link KvmPitState2}. */
export type KvmPitState2 = ValueOf<typeof KvmPitState2>;

/** `kvm_pit_state2.flags`: the HPET has taken the timer's place. */
export const KVM_PIT_FLAGS_HPET_LEGACY = 0x0000_0001;
/** `kvm_pit_state2.flags`: the speaker's data bit of port 0x61. */
export const KVM_PIT_FLAGS_SPEAKER_DATA_ON = 0x0000_0002;

/** The argument of KVM_REINJECT_CONTROL. */
export const KvmReinjectControl = struct("kvm_reinject_control", {
  pit_reinject: u8,
  reserved: pad(31),
});
/** A value of {@link KvmReinjectControl}. */
export type KvmReinjectControl = ValueOf<typeof KvmReinjectControl>;
