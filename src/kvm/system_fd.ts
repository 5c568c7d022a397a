/**
 * KVM itself: `/dev/kvm`, as far as all architectures have it.
 * @module
 */
import { Fd, O_RDWR } from "../ffi/fd.ts";
import {
  KVM_API_VERSION,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_VM,
  KVM_GET_API_VERSION,
  KVM_GET_VCPU_MMAP_SIZE,
} from "./bindings/mod.ts";
import { KvmDescriptor } from "./descriptor.ts";
import { explainCreateVm, explainNotKvm, explainOpen, KvmUnavailableError } from "./errors.ts";

/** The descriptor of KVM's device. An architecture derives its own class, which makes its own machines. */
export class KvmFd extends KvmDescriptor {
  /**
   * KVM behind a descriptor.
   *
   * @param fd the descriptor, which the object owns from now on
   * @param path where it was opened
   */
  constructor(
    fd: Fd,
    /** Where it was opened. */
    readonly path: string,
  ) {
    super(fd, path);
  }

  /**
   * Opens KVM's device and makes sure that KVM with the stable API is behind it.
   *
   * @throws {KvmUnavailableError} with the reason and what helps
   */
  static open<T extends KvmFd>(this: new (fd: Fd, path: string) => T, path = "/dev/kvm"): T {
    let fd: Fd;
    try {
      fd = Fd.open(path, O_RDWR);
    } catch (error) {
      throw explainOpen(path, error);
    }
    const kvm = new this(fd, path);
    try {
      const version = kvm.getApiVersion();
      if (version === KVM_API_VERSION) return kvm;
      const problem = `${path} speaks version ${version} of the API, not ${KVM_API_VERSION}`;
      throw new KvmUnavailableError("version", path, problem, "run a Linux from 2.6.22 on");
    } catch (error) {
      kvm[Symbol.dispose]();
      throw explainNotKvm(path, error);
    }
  }

  /** [KVM_GET_API_VERSION](https://docs.kernel.org/virt/kvm/api.html#kvm-get-api-version): always 12. */
  getApiVersion(): number {
    return this.callValue("KVM_GET_API_VERSION", KVM_GET_API_VERSION);
  }

  /**
   * [KVM_CHECK_EXTENSION](https://docs.kernel.org/virt/kvm/api.html#kvm-check-extension): what a capability
   * is worth on this host; 0 where there's none. A virtual machine can have less: ask it.
   */
  checkExtension(capability: number): number {
    return this.callValue("KVM_CHECK_EXTENSION", KVM_CHECK_EXTENSION, capability);
  }

  /**
   * [KVM_GET_VCPU_MMAP_SIZE](https://docs.kernel.org/virt/kvm/api.html#kvm-get-vcpu-mmap-size): the bytes of
   * a vCPU's shared memory.
   */
  getVcpuMmapSize(): number {
    return this.callValue("KVM_GET_VCPU_MMAP_SIZE", KVM_GET_VCPU_MMAP_SIZE);
  }

  /**
   * [KVM_CREATE_VM](https://docs.kernel.org/virt/kvm/api.html#kvm-create-vm).
   *
   * @throws {KvmUnavailableError} where another hypervisor holds the processor
   * @throws {SysError}
   */
  protected createVmFd(type: number): Fd {
    try {
      return this.callFd("KVM_CREATE_VM", KVM_CREATE_VM, type, "virtual machine");
    } catch (error) {
      throw explainCreateVm(this.path, error);
    }
  }
}
