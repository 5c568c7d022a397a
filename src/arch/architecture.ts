/**
 * What a machine asks of the processor architecture that it's for, in the order in which it asks.
 * @module
 */
import type { Kvm, Vcpu, VcpuSpec, Vm, VmFd, VmSpec } from "../kvm/mod.ts";
import type { GuestMemory, RamRange } from "../memory/mod.ts";

/** Where the loader must put nothing. */
export interface ReservedRange {
  readonly start: number;
  /** The first address behind it. */
  readonly end: number;
  /** What is there, for messages. */
  readonly what: string;
}

/** A device that every machine of an architecture has. */
export interface PlatformDevice {
  /** A kind that the registry of devices knows. */
  readonly kind: string;
  /** What that kind is made with; `irqFd` is added where there's an interrupt. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The global system interrupt that it raises. */
  readonly irq?: number;
}

/** The protocols by which kernels are entered, as loaders name them. */
export type KernelProtocol = "linux64" | "linux32" | "pvh" | "multiboot" | "flat";

/** The width, in bits, of the mode that a flat image is entered in. */
export type FlatMode = 16 | 32 | 64;

/** A processor architecture. `Image` is what it's told of a loaded kernel, `Boot` what it makes of it. */
export interface Architecture<Image, Boot> {
  /** Its name as Deno.build.arch gives it. */
  readonly name: string;
  /** Brings Linux's messages to the console, and ends the machine when the kernel panics. */
  readonly defaultCommandLine: string;
  /** Where `bytes` of RAM are for the guest. */
  ramRanges(bytes: number): RamRange[];
  /** The devices of every machine with RAM at `ram`, the console first. */
  platformDevices(ram: readonly RamRange[]): readonly PlatformDevice[];
  /** The most RAM that a guest on this host can reach, in bytes. */
  maximumRam(kvm: Kvm): number;
  /** Makes the interrupt controllers and timers that KVM emulates; before any vCPU is made. */
  createInterruptController(vm: Vm, cpus: number): void;
  /** The ids that the vCPUs are made with, the boot processor's first. */
  vcpuIds(cpus: number): readonly number[];
  /** What the loader has to keep clear of. */
  reservedRanges(protocol: KernelProtocol, mode: FlatMode): ReservedRange[];
  /** Where a flat image goes when nobody says. */
  flatAddress(mode: FlatMode): number;
  /** Puts the tables of the boot protocol and of the firmware into memory. */
  writeBootData(kvm: Kvm, memory: GuestMemory, image: Image, cpus: number): Boot;
  /**
   * Sets the vCPUs up, the boot processor first.
   *
   * @returns what this host refused and the guest can do without, a line each
   */
  configureVcpus(kvm: Kvm, vcpus: readonly Vcpu[], boot: Boot): string[];
  /** The virtual machine that another isolate made. */
  attachVm(spec: VmSpec): VmFd;
  /** The vCPU that another isolate made. */
  attachVcpu(spec: VcpuSpec): Vcpu;
  /** The exit that a vCPU's KVM_RUN came back with, its registers and its code, in lines. */
  describeExit(vcpu: Vcpu, memory: GuestMemory): string[];
}
