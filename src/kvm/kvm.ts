/**
 * KVM on x86-64: `/dev/kvm` and what guests can be given there.
 * @module
 */
import { E2BIG, SysError } from "../ffi/errno.ts";
import {
  KVM_GET_EMULATED_CPUID,
  KVM_GET_MSR_FEATURE_INDEX_LIST,
  KVM_GET_MSR_INDEX_LIST,
  KVM_GET_MSRS,
  KVM_GET_SUPPORTED_CPUID,
  KVM_GET_SUPPORTED_HV_CPUID,
  KVM_X86_DEFAULT_VM,
  KVM_X86_GET_MCE_CAP_SUPPORTED,
  type KvmCpuidEntry2,
  KvmMsrList,
} from "./bindings/x86.ts";
import { getMsrs, queryCpuid } from "./queries.ts";
import { KvmFd } from "./system_fd.ts";
import { Vm } from "./vm.ts";

/** KVM's device on x86-64. */
export class Kvm extends KvmFd {
  /**
   * [KVM_CREATE_VM](https://docs.kernel.org/virt/kvm/api.html#kvm-create-vm): makes a virtual machine without
   * memory and vCPUs.
   *
   * @param type KVM_X86_DEFAULT_VM or another KVM_X86_*_VM
   * @throws {KvmUnavailableError} where another hypervisor holds the processor
   */
  createVm(type: number = KVM_X86_DEFAULT_VM): Vm {
    const vcpuMmapSize = this.getVcpuMmapSize();
    return new Vm(this.createVmFd(type), vcpuMmapSize);
  }

  /**
   * [KVM_GET_SUPPORTED_CPUID](https://docs.kernel.org/virt/kvm/api.html#kvm-get-supported-cpuid): the CPUID
   * leaves that the host can give a guest.
   */
  getSupportedCpuid(): KvmCpuidEntry2[] {
    return this.#cpuid("KVM_GET_SUPPORTED_CPUID", KVM_GET_SUPPORTED_CPUID);
  }

  /**
   * [KVM_GET_EMULATED_CPUID](https://docs.kernel.org/virt/kvm/api.html#kvm-get-emulated-cpuid): the features
   * that KVM emulates in software, at a price.
   */
  getEmulatedCpuid(): KvmCpuidEntry2[] {
    return this.#cpuid("KVM_GET_EMULATED_CPUID", KVM_GET_EMULATED_CPUID);
  }

  /**
   * [KVM_GET_SUPPORTED_HV_CPUID](https://docs.kernel.org/virt/kvm/api.html#kvm-get-supported-hv-cpuid): the
   * CPUID leaves of Hyper-V's interface. Needs KVM_CAP_SYS_HYPERV_CPUID.
   */
  getSupportedHvCpuid(): KvmCpuidEntry2[] {
    return this.#cpuid("KVM_GET_SUPPORTED_HV_CPUID", KVM_GET_SUPPORTED_HV_CPUID);
  }

  /**
   * [KVM_GET_MSR_INDEX_LIST](https://docs.kernel.org/virt/kvm/api.html#kvm-get-msr-index-list-kvm-get-msr-feature-index-list):
   * the MSRs that hold guest state, to be saved and restored.
   */
  getMsrIndexList(): number[] {
    return this.#msrList("KVM_GET_MSR_INDEX_LIST", KVM_GET_MSR_INDEX_LIST);
  }

  /**
   * [KVM_GET_MSR_FEATURE_INDEX_LIST](https://docs.kernel.org/virt/kvm/api.html#kvm-get-msr-index-list-kvm-get-msr-feature-index-list):
   * the MSRs that tell features of the host, for {@link getMsrs}.
   */
  getMsrFeatureIndexList(): number[] {
    return this.#msrList("KVM_GET_MSR_FEATURE_INDEX_LIST", KVM_GET_MSR_FEATURE_INDEX_LIST);
  }

  /**
   * [KVM_GET_MSRS](https://docs.kernel.org/virt/kvm/api.html#kvm-get-msrs) on the system: feature MSRs, in the
   * order of `indices`.
   *
   * @throws {MsrError} that names the first MSR that can't be read
   */
  getMsrs(indices: readonly number[]): bigint[] {
    return getMsrs((bytes) => this.call("KVM_GET_MSRS", KVM_GET_MSRS, bytes), indices, this.what);
  }

  /**
   * [KVM_X86_GET_MCE_CAP_SUPPORTED](https://docs.kernel.org/virt/kvm/api.html#kvm-x86-get-mce-cap-supported):
   * the MCG_CAP that guests can be given.
   */
  x86GetMceCapSupported(): bigint {
    const capabilities = new BigUint64Array(1);
    this.call("KVM_X86_GET_MCE_CAP_SUPPORTED", KVM_X86_GET_MCE_CAP_SUPPORTED, capabilities);
    return capabilities[0];
  }

  #cpuid(name: string, request: number): KvmCpuidEntry2[] {
    return queryCpuid((bytes) => this.call(name, request, bytes));
  }

  #msrList(name: string, request: number): number[] {
    let bytes = KvmMsrList.allocate(0);
    for (;;) {
      try {
        this.call(name, request, bytes);
        return KvmMsrList.decode(bytes).indices;
      } catch (error) {
        // KVM tells how many there are when there is too little room.
        const needed = KvmMsrList.countOf(bytes);
        const grew = KvmMsrList.bytesFor(needed) > bytes.length;
        if (!(error instanceof SysError) || error.errno !== E2BIG || !grew) throw error;
        bytes = KvmMsrList.allocate(needed);
      }
    }
  }
}
