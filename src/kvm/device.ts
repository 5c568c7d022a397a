/**
 * Devices inside the kernel: interrupt controllers of some architectures, and the link to VFIO.
 * @module
 */
import type { Fd } from "../ffi/mod.ts";
import { KvmDescriptor } from "./descriptor.ts";

/** A device that {@linkcode VmFd.createDevice} made; everything about it is an attribute. */
export class DeviceFd extends KvmDescriptor {
  /**
   * The object for a device.
   *
   * @param fd its descriptor, which it owns from now on
   * @param type one of {@linkcode KVM_DEV_TYPE}
   */
  constructor(
    fd: Fd,
    /** One of {@linkcode KVM_DEV_TYPE}. */
    readonly type: number,
  ) {
    super(fd, fd.what);
  }
}
