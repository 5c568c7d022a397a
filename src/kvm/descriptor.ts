/**
 * What KVM's descriptors have in common: one owner, typed calls, capabilities and attributes.
 * @module
 */
import { SysError } from "../ffi/errno.ts";
import { Fd } from "../ffi/fd.ts";
import { type Bytes, ioctl, ioctlValue } from "../ffi/ioctl.ts";
import { createMemFd, PAGE_SIZE, SharedMapping } from "../ffi/mapping.ts";
import {
  KVM_ENABLE_CAP,
  KVM_GET_DEVICE_ATTR,
  KVM_HAS_DEVICE_ATTR,
  KVM_SET_DEVICE_ATTR,
  KvmDeviceAttr,
  KvmEnableCap,
} from "./bindings/mod.ts";
import type { Fields, StructInput, StructType, StructValue } from "./struct.ts";

/**
 * A descriptor of KVM, and the calls that more than one kind of them takes.
 *
 * An object that owns its descriptor closes it when it is disposed of. One that is attached to a descriptor
 * of another isolate only uses the number, and must not be used once the owner has closed it.
 */
export abstract class KvmDescriptor implements Disposable {
  readonly #owned: Fd | undefined;
  #raw: number;
  #scratch: SharedMapping | undefined;

  /**
   * The object for a descriptor.
   *
   * @param fd a descriptor to own, or the number of one that another object owns
   * @param what names it in errors, such as `"vCPU 0"`
   */
  protected constructor(
    fd: Fd | number,
    /** What it is, for errors. */
    readonly what: string,
  ) {
    this.#owned = typeof fd === "number" ? undefined : fd;
    this.#raw = typeof fd === "number" ? fd : fd.raw;
  }

  /** The descriptor's number. @throws {Error} after it was disposed of */
  get fd(): number {
    if (this.#raw < 0) throw new Error(`${this.what} is closed`);
    return this.#raw;
  }

  /** Whether it was disposed of. */
  get closed(): boolean {
    return this.#raw < 0;
  }

  /** Closes the descriptor where this object owns it. A second call does nothing. */
  [Symbol.dispose](): void {
    this.letGo()?.close();
  }

  /** Gives up everything but the descriptor, which the caller closes where there is one to own. */
  protected letGo(): Fd | undefined {
    this.#raw = -1;
    this.#scratch?.release();
    this.#scratch = undefined;
    return this.#owned;
  }

  /** ioctl with a struct as its argument. @throws {SysError} */
  protected call(name: string, request: number, argument: Bytes): number {
    try {
      return ioctl(this.fd, request, argument, name);
    } catch (error) {
      throw this.#named(error);
    }
  }

  /** ioctl with a number as its argument. @throws {SysError} */
  protected callValue(name: string, request: number, value: number | bigint = 0): number {
    try {
      return ioctlValue(this.fd, request, value, name);
    } catch (error) {
      throw this.#named(error);
    }
  }

  /** ioctl that makes a descriptor. @throws {SysError} */
  protected callFd(name: string, request: number, value: number | bigint, what: string): Fd {
    return new Fd(this.callValue(name, request, value), what);
  }

  /** ioctl that fills a struct. @throws {SysError} */
  protected get<F extends Fields>(
    name: string,
    request: number,
    type: StructType<F>,
  ): StructValue<F> {
    const bytes = new Uint8Array(type.size);
    this.call(name, request, bytes);
    return type.decode(bytes);
  }

  /** ioctl that takes a struct. @throws {SysError} @throws {StructError} */
  protected set<F extends Fields>(
    name: string,
    request: number,
    type: StructType<F>,
    value: StructInput<F>,
  ): number {
    return this.call(name, request, type.encode(value));
  }

  /**
   * Memory whose address can be put into an argument. The contents are those of the last use.
   *
   * @param size the bytes that are needed; there can be more
   */
  protected scratch(size: number): SharedMapping {
    if (this.#scratch !== undefined && this.#scratch.byteLength >= size) return this.#scratch;
    const pages = Math.max(1, Math.ceil(size / PAGE_SIZE)) * PAGE_SIZE;
    const what = `${this.what}: room for an argument`;
    using memory = createMemFd("kvm-argument", pages);
    const mapping = new SharedMapping({ fd: memory.raw, size: pages, what });
    this.#scratch?.release();
    this.#scratch = mapping;
    return mapping;
  }

  /**
   * [KVM_ENABLE_CAP](https://docs.kernel.org/virt/kvm/api.html#kvm-enable-cap): switches a capability on.
   *
   * @param capability one of {@linkcode KVM_CAP}
   * @param args up to four arguments, which the capability defines
   * @throws {SysError} EINVAL where the host does not have it or refuses its arguments
   */
  enableCap(capability: number, ...args: readonly (number | bigint)[]): void {
    this.set("KVM_ENABLE_CAP", KVM_ENABLE_CAP, KvmEnableCap, {
      cap: capability,
      args: args.map(BigInt),
    });
  }

  /**
   * [KVM_HAS_DEVICE_ATTR](https://docs.kernel.org/virt/kvm/api.html#kvm-has-device-attr): whether it has an
   * attribute. The system, virtual machines, vCPUs and devices have some.
   */
  hasDeviceAttr(group: number, attr: number | bigint): boolean {
    try {
      const value = { group, attr: BigInt(attr) };
      this.set("KVM_HAS_DEVICE_ATTR", KVM_HAS_DEVICE_ATTR, KvmDeviceAttr, value);
      return true;
    } catch (error) {
      if (error instanceof SysError) return false;
      throw error;
    }
  }

  /**
   * [KVM_GET_DEVICE_ATTR](https://docs.kernel.org/virt/kvm/api.html#kvm-set-device-attr-kvm-get-device-attr):
   * an attribute's bytes.
   *
   * @param size how many bytes the attribute has, as its documentation says
   * @param input what the kernel reads before it fills them; zeros when left out
   * @throws {SysError} ENXIO where there's no such attribute
   */
  getDeviceAttr(
    group: number,
    attr: number | bigint,
    size: number,
    input?: Uint8Array,
  ): Uint8Array<ArrayBuffer> {
    const room = this.scratch(size);
    const bytes = room.bytes().subarray(0, size);
    bytes.fill(0);
    if (input !== undefined) bytes.set(input);
    const value = { group, attr: BigInt(attr), addr: room.address };
    this.set("KVM_GET_DEVICE_ATTR", KVM_GET_DEVICE_ATTR, KvmDeviceAttr, value);
    return new Uint8Array(bytes);
  }

  /**
   * [KVM_SET_DEVICE_ATTR](https://docs.kernel.org/virt/kvm/api.html#kvm-set-device-attr-kvm-get-device-attr):
   * sets an attribute.
   *
   * @param bytes the attribute's value, as long as its documentation says; none for those without a value
   * @throws {SysError} ENXIO where there's no such attribute
   */
  setDeviceAttr(group: number, attr: number | bigint, bytes = new Uint8Array(0)): void {
    const room = this.scratch(bytes.length);
    room.bytes().set(bytes);
    const value = { group, attr: BigInt(attr), addr: room.address };
    this.set("KVM_SET_DEVICE_ATTR", KVM_SET_DEVICE_ATTR, KvmDeviceAttr, value);
  }

  /** The same failure, told about this descriptor. */
  #named(error: unknown): unknown {
    return error instanceof SysError ? new SysError(error.call, error.errno, this.what) : error;
  }
}
