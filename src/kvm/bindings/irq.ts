/**
 * Interrupts and notifications: lines, MSIs, routing, irqfd and ioeventfd (include/uapi/linux/kvm.h).
 * @module
 */
import {
  flex,
  type FlexValueOf,
  i32,
  pad,
  struct,
  u32,
  u64,
  union,
  type ValueOf,
} from "../struct.ts";

/** The argument of KVM_IRQ_LINE and KVM_IRQ_LINE_STATUS, which gives its status in place of `irq`. */
export const KvmIrqLevel = struct("kvm_irq_level", {
  irq: u32,
  level: u32,
});
/** A value of {@link KvmIrqLevel}. */
export type KvmIrqLevel = ValueOf<typeof KvmIrqLevel>;

/** A route to a pin of an in-kernel interrupt controller. */
export const KvmIrqRoutingIrqchip = struct("kvm_irq_routing_irqchip", {
  irqchip: u32,
  pin: u32,
});
/** A value of {@link KvmIrqRoutingIrqchip}. */
export type KvmIrqRoutingIrqchip = ValueOf<typeof KvmIrqRoutingIrqchip>;

/** A route to a message-signalled interrupt; devid counts where KVM_MSI_VALID_DEVID is in the flags. */
export const KvmIrqRoutingMsi = struct("kvm_irq_routing_msi", {
  address_lo: u32,
  address_hi: u32,
  data: u32,
  devid: u32,
});
/** A value of {@link KvmIrqRoutingMsi}. */
export type KvmIrqRoutingMsi = ValueOf<typeof KvmIrqRoutingMsi>;

/** A route to a synthetic interrupt of Hyper-V. */
export const KvmIrqRoutingHvSint = struct("kvm_irq_routing_hv_sint", {
  vcpu: u32,
  sint: u32,
});
/** A value of {@link KvmIrqRoutingHvSint}. */
export type KvmIrqRoutingHvSint = ValueOf<typeof KvmIrqRoutingHvSint>;

/** One route: what a GSI leads to. `type` (KVM_IRQ_ROUTING) tells which alternative of `u` counts. */
export const KvmIrqRoutingEntry = struct("kvm_irq_routing_entry", {
  gsi: u32,
  type: u32,
  flags: u32,
  pad: pad(1, 4),
  u: union({
    irqchip: KvmIrqRoutingIrqchip,
    msi: KvmIrqRoutingMsi,
    hv_sint: KvmIrqRoutingHvSint,
  }, 32),
});
/** A value of {@link KvmIrqRoutingEntry}. */
export type KvmIrqRoutingEntry = ValueOf<typeof KvmIrqRoutingEntry>;

/** The argument of KVM_SET_GSI_ROUTING: the whole table. */
export const KvmIrqRouting = flex(
  struct("kvm_irq_routing", { nr: u32, flags: u32 }),
  "nr",
  "entries",
  KvmIrqRoutingEntry,
);
/** A value of {@link KvmIrqRouting}. */
export type KvmIrqRouting = FlexValueOf<typeof KvmIrqRouting>;

/** KVM_IRQ_ROUTING_*, without the prefix: the type of a route. */
export const KVM_IRQ_ROUTING = {
  IRQCHIP: 1,
  MSI: 2,
  S390_ADAPTER: 3,
  HV_SINT: 4,
  XEN_EVTCHN: 5,
} as const;

/** The argument of KVM_SIGNAL_MSI. */
export const KvmMsi = struct("kvm_msi", {
  address_lo: u32,
  address_hi: u32,
  data: u32,
  flags: u32,
  devid: u32,
  pad: pad(12),
});
/** A value of {@link KvmMsi}. */
export type KvmMsi = ValueOf<typeof KvmMsi>;

/** An MSI's flag: devid is valid. */
export const KVM_MSI_VALID_DEVID = 1 << 0;

/** The argument of KVM_IRQFD: an eventfd that raises a GSI when it is written. */
export const KvmIrqfd = struct("kvm_irqfd", {
  fd: u32,
  gsi: u32,
  flags: u32,
  resamplefd: u32,
  pad: pad(16),
});
/** A value of {@link KvmIrqfd}. */
export type KvmIrqfd = ValueOf<typeof KvmIrqfd>;

/** An irqfd's flag: take the binding away. */
export const KVM_IRQFD_FLAG_DEASSIGN = 1 << 0;
/** An irqfd's flag: level-triggered, with resamplefd signalled at the guest's EOI. */
export const KVM_IRQFD_FLAG_RESAMPLE = 1 << 1;

/** The argument of KVM_IOEVENTFD: an eventfd that is signalled when the guest writes an address. */
export const KvmIoeventfd = struct("kvm_ioeventfd", {
  datamatch: u64,
  addr: u64,
  len: u32,
  fd: i32,
  flags: u32,
  pad: pad(36),
});
/** A value of {@link KvmIoeventfd}. */
export type KvmIoeventfd = ValueOf<typeof KvmIoeventfd>;

/** An ioeventfd's flag: only writes of the value `datamatch` signal. */
export const KVM_IOEVENTFD_FLAG_DATAMATCH = 1 << 0;
/** An ioeventfd's flag: the address is a port. */
export const KVM_IOEVENTFD_FLAG_PIO = 1 << 1;
/** An ioeventfd's flag: take the binding away. */
export const KVM_IOEVENTFD_FLAG_DEASSIGN = 1 << 2;
/** An ioeventfd's flag: the address is a virtio-ccw subchannel (s390). */
export const KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY = 1 << 3;
/** All flags of an ioeventfd. */
export const KVM_IOEVENTFD_VALID_FLAG_MASK = 0x1f;

/** KVM_HYPERV_EVENTFD: the bits of a connection id. */
export const KVM_HYPERV_CONN_ID_MASK = 0x00ff_ffff;
/** KVM_HYPERV_EVENTFD's flag: take the binding away. */
export const KVM_HYPERV_EVENTFD_DEASSIGN = 1 << 0;

/** The argument of KVM_HYPERV_EVENTFD. */
export const KvmHypervEventfd = struct("kvm_hyperv_eventfd", {
  conn_id: u32,
  fd: i32,
  flags: u32,
  padding: pad(3, 4),
});
/** A value of {@link KvmHypervEventfd}. */
export type KvmHypervEventfd = ValueOf<typeof KvmHypervEventfd>;
