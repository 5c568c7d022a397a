/**
 * Devices inside the kernel and their attributes (include/uapi/linux/kvm.h).
 * @module
 */
import { struct, u32, u64, type ValueOf } from "../struct.ts";

/** The argument of KVM_CREATE_DEVICE; the kernel fills `fd`. */
export const KvmCreateDevice = struct("kvm_create_device", {
  type: u32,
  fd: u32,
  flags: u32,
});
/** A value of {@link KvmCreateDevice}. */
export type KvmCreateDevice = ValueOf<typeof KvmCreateDevice>;

/** KVM_CREATE_DEVICE's flag: only tell whether the type is supported. */
export const KVM_CREATE_DEVICE_TEST = 1;

/** KVM_DEV_TYPE_*, without the prefix, for all architectures. */
export const KVM_DEV_TYPE = {
  FSL_MPIC_20: 1,
  FSL_MPIC_42: 2,
  XICS: 3,
  VFIO: 4,
  ARM_VGIC_V2: 5,
  FLIC: 6,
  ARM_VGIC_V3: 7,
  ARM_VGIC_ITS: 8,
  XIVE: 9,
  ARM_PV_TIME: 10,
  RISCV_AIA: 11,
  LOONGARCH_IPI: 12,
  LOONGARCH_EIOINTC: 13,
  LOONGARCH_PCHPIC: 14,
  LOONGARCH_DMSINTC: 15,
  ARM_VGIC_V5: 16,
} as const;

/** The argument of KVM_SET_DEVICE_ATTR, KVM_GET_DEVICE_ATTR and KVM_HAS_DEVICE_ATTR. */
export const KvmDeviceAttr = struct("kvm_device_attr", {
  flags: u32,
  group: u32,
  attr: u64,
  addr: u64,
});
/** A value of {@link KvmDeviceAttr}. */
export type KvmDeviceAttr = ValueOf<typeof KvmDeviceAttr>;

/** The VFIO device's group of attributes for VFIO groups. */
export const KVM_DEV_VFIO_GROUP = 1;
/** KVM_DEV_VFIO_GROUP: add the group whose descriptor the attribute holds. */
export const KVM_DEV_VFIO_GROUP_ADD = 1;
/** KVM_DEV_VFIO_GROUP: take the group away. */
export const KVM_DEV_VFIO_GROUP_DEL = 2;
