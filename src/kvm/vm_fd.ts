/**
 * A virtual machine, as far as all architectures have it: memory, interrupts, notifications, devices.
 * @module
 */
import { ENODEV, SysError } from "../ffi/errno.ts";
import { Fd } from "../ffi/fd.ts";
import {
  KVM_CHECK_EXTENSION,
  KVM_CLEAR_DIRTY_LOG,
  KVM_CREATE_DEVICE,
  KVM_CREATE_DEVICE_TEST,
  KVM_CREATE_GUEST_MEMFD,
  KVM_CREATE_IRQCHIP,
  KVM_CREATE_VCPU,
  KVM_GET_DIRTY_LOG,
  KVM_GET_STATS_FD,
  KVM_IOEVENTFD,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  KVM_IRQ_LINE,
  KVM_IRQ_LINE_STATUS,
  KVM_IRQFD,
  KVM_IRQFD_FLAG_DEASSIGN,
  KVM_IRQFD_FLAG_RESAMPLE,
  KVM_REGISTER_COALESCED_MMIO,
  KVM_RESET_DIRTY_RINGS,
  KVM_SET_BOOT_CPU_ID,
  KVM_SET_GSI_ROUTING,
  KVM_SET_USER_MEMORY_REGION,
  KVM_SET_USER_MEMORY_REGION2,
  KVM_SIGNAL_MSI,
  KVM_UNREGISTER_COALESCED_MMIO,
  KvmClearDirtyLog,
  KvmCoalescedMmioZone,
  KvmCreateDevice,
  KvmCreateGuestMemfd,
  KvmDirtyLog,
  KvmIoeventfd,
  KvmIrqfd,
  KvmIrqLevel,
  KvmIrqRouting,
  type KvmIrqRoutingEntry,
  KvmMsi,
  KvmUserspaceMemoryRegion,
  KvmUserspaceMemoryRegion2,
} from "./bindings/mod.ts";
import { KvmDescriptor } from "./descriptor.ts";
import { DeviceFd } from "./device.ts";
import type { InputOf } from "./struct.ts";
import {
  bitmapBytes,
  type CoalescedMmioZone,
  coalescedZone,
  ioeventfdArgument,
  type IoeventfdTarget,
  memoryRegion,
  type Msi,
  msiArgument,
  slotPages,
  type UserMemoryRegion,
  type UserMemoryRegion2,
} from "./vm_arguments.ts";

/** What is posted to a Worker so that it can attach to a virtual machine. */
export interface VmSpec {
  /** The descriptor's number. */
  readonly fd: number;
  /** What KVM_GET_VCPU_MMAP_SIZE said. */
  readonly vcpuMmapSize: number;
}

/** A virtual machine's descriptor. */
export class VmFd extends KvmDescriptor implements AsyncDisposable {
  readonly #vcpuMmapSize: number;

  /**
   * The virtual machine behind a descriptor.
   *
   * @param fd the descriptor, to own it; or the number of one that another isolate owns
   * @param vcpuMmapSize what KVM_GET_VCPU_MMAP_SIZE said
   */
  protected constructor(fd: Fd | number, vcpuMmapSize: number) {
    super(fd, "virtual machine");
    this.#vcpuMmapSize = vcpuMmapSize;
  }

  /**
   * Closes the descriptor in another thread: with the last one of a virtual machine, the kernel waits until nobody
   * looks at it any more, which takes ticks of the host's clock.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.letGo()?.closeElsewhere();
  }

  /** What another isolate needs in order to attach. */
  get spec(): VmSpec {
    return { fd: this.fd, vcpuMmapSize: this.#vcpuMmapSize };
  }

  /**
   * [KVM_CHECK_EXTENSION](https://docs.kernel.org/virt/kvm/api.html#kvm-check-extension): what a capability
   * is worth for this virtual machine; 0 where there's none.
   */
  checkExtension(capability: number): number {
    return this.callValue("KVM_CHECK_EXTENSION", KVM_CHECK_EXTENSION, capability);
  }

  /** [KVM_CREATE_VCPU](https://docs.kernel.org/virt/kvm/api.html#kvm-create-vcpu). @throws {SysError} */
  protected createVcpuFd(id: number): Fd {
    return this.callFd("KVM_CREATE_VCPU", KVM_CREATE_VCPU, id, `vCPU ${id}`);
  }

  /**
   * [KVM_SET_USER_MEMORY_REGION](https://docs.kernel.org/virt/kvm/api.html#kvm-set-user-memory-region): adds,
   * changes or deletes a memory slot. The memory must stay where it is for as long as the slot exists.
   *
   * @throws {SysError} EEXIST where it overlaps another slot; EINVAL where it is not whole pages
   */
  setUserMemoryRegion(region: UserMemoryRegion): void {
    const value = memoryRegion(region);
    const name = "KVM_SET_USER_MEMORY_REGION";
    this.set(name, KVM_SET_USER_MEMORY_REGION, KvmUserspaceMemoryRegion, value);
  }

  /**
   * [KVM_SET_USER_MEMORY_REGION2](https://docs.kernel.org/virt/kvm/api.html#kvm-set-user-memory-region2): the
   * same, with a guest_memfd. Needs KVM_CAP_USER_MEMORY2.
   */
  setUserMemoryRegion2(region: UserMemoryRegion2): void {
    const name = "KVM_SET_USER_MEMORY_REGION2";
    this.set(name, KVM_SET_USER_MEMORY_REGION2, KvmUserspaceMemoryRegion2, {
      ...memoryRegion(region),
      guest_memfd: region.guestMemfd,
      guest_memfd_offset: BigInt(region.guestMemfdOffset ?? 0),
    });
  }

  /**
   * [KVM_CREATE_GUEST_MEMFD](https://docs.kernel.org/virt/kvm/api.html#kvm-create-guest-memfd): memory for
   * slots that the host can keep out of; the caller closes it. Needs KVM_CAP_GUEST_MEMFD.
   */
  createGuestMemfd(size: number, flags = 0n): Fd {
    const value = { size: BigInt(size), flags };
    const name = "KVM_CREATE_GUEST_MEMFD";
    return new Fd(
      this.set(name, KVM_CREATE_GUEST_MEMFD, KvmCreateGuestMemfd, value),
      "guest_memfd",
    );
  }

  /**
   * [KVM_GET_DIRTY_LOG](https://docs.kernel.org/virt/kvm/api.html#kvm-get-dirty-log): which pages of a slot
   * were written since the last call. The slot needs KVM_MEM_LOG_DIRTY_PAGES.
   *
   * @param size the slot's size in bytes
   * @returns one bit for each page, the lowest bit of the first byte for the first
   * @throws {SysError} ENOENT where the slot does not exist or is not logged
   */
  getDirtyLog(slot: number, size: number): Uint8Array<ArrayBuffer> {
    const length = bitmapBytes(slotPages(slot, size));
    const room = this.scratch(length);
    const value = { slot, dirty_bitmap: room.address };
    this.set("KVM_GET_DIRTY_LOG", KVM_GET_DIRTY_LOG, KvmDirtyLog, value);
    return new Uint8Array(room.bytes().subarray(0, length));
  }

  /**
   * [KVM_CLEAR_DIRTY_LOG](https://docs.kernel.org/virt/kvm/api.html#kvm-clear-dirty-log): forgets writes to the
   * pages whose bits are set, and protects those pages again. Needs KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2.
   *
   * @param firstPage the first page in the slot, a multiple of 64
   * @param pages how many, a multiple of 64 unless they reach the slot's end
   * @param bitmap as {@link getDirtyLog} gave it, from the bit of `firstPage` on
   */
  clearDirtyLog(slot: number, firstPage: number, pages: number, bitmap: Uint8Array): void {
    const length = bitmapBytes(pages);
    if (bitmap.length < length) {
      const bits = bitmap.length * 8;
      throw new RangeError(
        `slot ${slot}: a bitmap of ${bits} bits is too short for ${pages} pages`,
      );
    }
    const room = this.scratch(length);
    room.bytes().set(bitmap.subarray(0, length));
    this.set("KVM_CLEAR_DIRTY_LOG", KVM_CLEAR_DIRTY_LOG, KvmClearDirtyLog, {
      slot,
      num_pages: pages,
      first_page: BigInt(firstPage),
      dirty_bitmap: room.address,
    });
  }

  /**
   * [KVM_RESET_DIRTY_RINGS](https://docs.kernel.org/virt/kvm/api.html#kvm-reset-dirty-rings): takes back what
   * was harvested from all vCPUs' dirty rings, and protects those pages again.
   *
   * @returns how many entries it took
   */
  resetDirtyRings(): number {
    return this.callValue("KVM_RESET_DIRTY_RINGS", KVM_RESET_DIRTY_RINGS);
  }

  /**
   * [KVM_REGISTER_COALESCED_MMIO](https://docs.kernel.org/virt/kvm/api.html#kvm-register-coalesced-mmio):
   * writes to the range wait in the ring of the vCPU ({@linkcode CoalescedMmioRing}) in place of an exit each.
   */
  registerCoalescedMmio(zone: CoalescedMmioZone): void {
    const name = "KVM_REGISTER_COALESCED_MMIO";
    this.set(name, KVM_REGISTER_COALESCED_MMIO, KvmCoalescedMmioZone, coalescedZone(zone));
  }

  /** [KVM_UNREGISTER_COALESCED_MMIO](https://docs.kernel.org/virt/kvm/api.html#kvm-register-coalesced-mmio). */
  unregisterCoalescedMmio(zone: CoalescedMmioZone): void {
    const name = "KVM_UNREGISTER_COALESCED_MMIO";
    this.set(name, KVM_UNREGISTER_COALESCED_MMIO, KvmCoalescedMmioZone, coalescedZone(zone));
  }

  /**
   * [KVM_CREATE_IRQCHIP](https://docs.kernel.org/virt/kvm/api.html#kvm-create-irqchip): makes the interrupt
   * controllers: on x86 two PICs, an I/O APIC and a local APIC for each vCPU that is created afterwards.
   */
  createIrqchip(): void {
    this.callValue("KVM_CREATE_IRQCHIP", KVM_CREATE_IRQCHIP);
  }

  /** [KVM_IRQ_LINE](https://docs.kernel.org/virt/kvm/api.html#kvm-irq-line): sets the level of a GSI. */
  irqLine(gsi: number, active: boolean): void {
    const value = { irq: gsi, level: active ? 1 : 0 };
    this.set("KVM_IRQ_LINE", KVM_IRQ_LINE, KvmIrqLevel, value);
  }

  /**
   * KVM_IRQ_LINE_STATUS (api.rst under KVM_IRQ_LINE): the same, and tells what became of it.
   *
   * @returns more than 0 when it was delivered to so many, 0 when it merged with one that waits, less when
   * it was masked
   */
  irqLineStatus(gsi: number, active: boolean): number {
    const bytes = KvmIrqLevel.encode({ irq: gsi, level: active ? 1 : 0 });
    this.call("KVM_IRQ_LINE_STATUS", KVM_IRQ_LINE_STATUS, bytes);
    return KvmIrqLevel.decode(bytes).irq | 0;
  }

  /**
   * [KVM_SIGNAL_MSI](https://docs.kernel.org/virt/kvm/api.html#kvm-signal-msi): injects a message-signalled
   * interrupt.
   *
   * @returns whether it was delivered; false where the guest masks it
   */
  signalMsi(msi: Msi): boolean {
    return this.set("KVM_SIGNAL_MSI", KVM_SIGNAL_MSI, KvmMsi, msiArgument(msi)) > 0;
  }

  /**
   * [KVM_SET_GSI_ROUTING](https://docs.kernel.org/virt/kvm/api.html#kvm-set-gsi-routing): what each GSI leads
   * to. It replaces the whole table, the default routes of KVM_CREATE_IRQCHIP among it.
   */
  setGsiRouting(entries: readonly InputOf<typeof KvmIrqRoutingEntry>[]): void {
    const bytes = KvmIrqRouting.encode({ entries });
    this.call("KVM_SET_GSI_ROUTING", KVM_SET_GSI_ROUTING, bytes);
  }

  /**
   * [KVM_IRQFD](https://docs.kernel.org/virt/kvm/api.html#kvm-irqfd): writing the eventfd raises the GSI, as
   * an edge; with `resampleFd`, as a level that falls at the guest's EOI, which signals `resampleFd`.
   *
   * @throws {SysError} EBUSY where the eventfd is bound already
   */
  irqfd(eventfd: number, gsi: number, resampleFd?: number): void {
    this.set("KVM_IRQFD", KVM_IRQFD, KvmIrqfd, {
      fd: eventfd,
      gsi,
      flags: resampleFd === undefined ? 0 : KVM_IRQFD_FLAG_RESAMPLE,
      resamplefd: resampleFd,
    });
  }

  /** KVM_IRQFD with KVM_IRQFD_FLAG_DEASSIGN: ends that. */
  irqfdDeassign(eventfd: number, gsi: number): void {
    const value = { fd: eventfd, gsi, flags: KVM_IRQFD_FLAG_DEASSIGN };
    this.set("KVM_IRQFD", KVM_IRQFD, KvmIrqfd, value);
  }

  /**
   * [KVM_IOEVENTFD](https://docs.kernel.org/virt/kvm/api.html#kvm-ioeventfd): the guest's writes to an address
   * signal the eventfd and go no further: no exit, no data.
   *
   * @throws {SysError} EEXIST where the same target is bound already
   */
  ioeventfd(eventfd: number, target: IoeventfdTarget): void {
    this.set("KVM_IOEVENTFD", KVM_IOEVENTFD, KvmIoeventfd, ioeventfdArgument(eventfd, target, 0));
  }

  /** KVM_IOEVENTFD with KVM_IOEVENTFD_FLAG_DEASSIGN: ends that. */
  ioeventfdDeassign(eventfd: number, target: IoeventfdTarget): void {
    const value = ioeventfdArgument(eventfd, target, KVM_IOEVENTFD_FLAG_DEASSIGN);
    this.set("KVM_IOEVENTFD", KVM_IOEVENTFD, KvmIoeventfd, value);
  }

  /**
   * [KVM_SET_BOOT_CPU_ID](https://docs.kernel.org/virt/kvm/api.html#kvm-set-boot-cpu-id): which vCPU is the
   * boot processor, before any is created; 0 unless told.
   */
  setBootCpuId(id: number): void {
    this.callValue("KVM_SET_BOOT_CPU_ID", KVM_SET_BOOT_CPU_ID, id);
  }

  /**
   * [KVM_CREATE_DEVICE](https://docs.kernel.org/virt/kvm/api.html#kvm-create-device): makes a device inside the
   * kernel.
   *
   * @param type one of {@linkcode KVM_DEV_TYPE}
   * @throws {SysError} ENODEV where the host has no such device
   */
  createDevice(type: number): DeviceFd {
    const bytes = KvmCreateDevice.encode({ type });
    this.call("KVM_CREATE_DEVICE", KVM_CREATE_DEVICE, bytes);
    return new DeviceFd(new Fd(KvmCreateDevice.decode(bytes).fd, `KVM device ${type}`), type);
  }

  /** KVM_CREATE_DEVICE with KVM_CREATE_DEVICE_TEST: whether the host has such a device. */
  supportsDevice(type: number): boolean {
    try {
      const value = { type, flags: KVM_CREATE_DEVICE_TEST };
      this.set("KVM_CREATE_DEVICE", KVM_CREATE_DEVICE, KvmCreateDevice, value);
      return true;
    } catch (error) {
      if (error instanceof SysError && error.errno === ENODEV) return false;
      throw error;
    }
  }

  /**
   * [KVM_GET_STATS_FD](https://docs.kernel.org/virt/kvm/api.html#kvm-get-stats-fd): a file with the virtual
   * machine's statistics, which the caller closes.
   */
  getStatsFd(): Fd {
    return this.callFd("KVM_GET_STATS_FD", KVM_GET_STATS_FD, 0, `${this.what}: statistics`);
  }
}
