/**
 * Devices inside the kernel: interrupt controllers of some architectures, and the link to VFIO.
 * @module
 */
import type { Fd } from "../ffi/mod.ts";
import { KvmDescriptor } from "./descriptor.ts";

/** A device that {@linkcode VmFd.createDevice} made; everything about it is an attribute. */
export class DeviceFd extends KvmDescriptor {
  /**
   * @param fd its descriptor, which it owns from now on
   * @param type one of {@linkcode KVM_DEV_TYPE}
   */
  constructor(fd: Fd, readonly type: number) {
    super(fd, fd.what);
  }
}
