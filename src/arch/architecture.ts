/**
 * What a machine asks of the processor architecture that it's for, in the order in which it asks.
 * @module
 */
import type {
  InputOf,
  Kvm,
  KvmIrqRoutingEntry,
  Vcpu,
  VcpuSpec,
  Vm,
  VmFd,
  VmSpec,
} from "../kvm/mod.ts";
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

/** A range of guest physical addresses. */
export interface AddressRange {
  readonly base: number;
  readonly size: number;
}

/** A place for one virtio device with the MMIO transport. */
export interface VirtioMmioPlace extends AddressRange {
  /** The global system interrupt that is free for it: raised as an edge, shared with nobody. */
  readonly gsi: number;
}

/** Where a PCI host bridge and what is behind it are: one bus, number 0. */
export interface PciPlaces {
  /** Configuration space, 4 KiB for each function (PCI Express 5.0, 7.2.2). */
  readonly ecam: AddressRange;
  /** The first of the eight ports of configuration mechanism #1; undefined for an architecture without. */
  readonly configPort?: number;
  /** For BARs: addresses that 32 bits reach. */
  readonly window: AddressRange;
  /** Where writes are message-signalled interrupts, and so what a function's messages may be addressed to. */
  readonly messages: AddressRange;
  /** The GSI of the first message-signalled interrupt; the others follow. */
  readonly firstMessageGsi: number;
  /** The GSI that a device's INTA# leads to, level-triggered and shared. @param device its number, 1 to 31 */
  pinGsi(device: number): number;
}

/** A range of addresses of one of the two spaces, and what answers there. */
export interface ClaimedRange extends AddressRange {
  readonly space: "pio" | "mmio";
  readonly name: string;
}

/** Where devices that a user has written can be. */
export interface UserPlaces {
  /** For their ports, where nothing that kernels look for is. */
  readonly ports: AddressRange;
  /** For their memory-mapped registers. */
  readonly mmio: AddressRange;
  /**
   * The global system interrupts that they can have, in the order in which they are to be taken: raised as edges.
   * Some are also those of places for virtio-mmio devices.
   */
  readonly interrupts: readonly number[];
  /** What KVM itself answers, before any device could. */
  readonly claimed: readonly ClaimedRange[];
}

/** A device that a user has written and wants announced. */
export interface AnnouncedDevice {
  /** The hardware id by which drivers find it (ACPI 6.5, 6.1.5), such as `ACME0001`. */
  readonly hardwareId: string;
  readonly ports: readonly AddressRange[];
  readonly mmio: readonly AddressRange[];
  /** The global system interrupt that it raises, as edges. */
  readonly interrupt?: number;
}

/** What was plugged into a machine beside its platform devices, for the tables of its firmware. */
export interface PluggedDevices {
  /** The places of virtio devices with the MMIO transport; those that its tables are to announce. */
  readonly virtioMmio: readonly VirtioMmioPlace[];
  /** Whether there is a PCI host bridge. */
  readonly pci: boolean;
  /** Those of the user's own devices that the tables are to announce. */
  readonly user?: readonly AnnouncedDevice[];
}

/** A route of KVM's table: what a GSI leads to. */
export type GsiRoute = InputOf<typeof KvmIrqRoutingEntry>;

/** The protocols by which kernels are entered, as loaders name them. */
export type KernelProtocol = "linux64" | "linux32" | "pvh" | "multiboot" | "flat";

/** The width, in bits, of the mode that a flat image is entered in. */
export type FlatMode = 16 | 32 | 64;

/** A processor architecture. `Image` is what it's told of a loaded kernel, `Boot` what it makes of it. */
export interface Architecture<Image, Boot> extends AttachedArchitecture {
  /** Its name as Deno.build.arch gives it. */
  readonly name: string;
  /** Linux's name for the console that the first of the platform's devices carries. */
  readonly serialConsole: string;
  /** Where `bytes` of RAM are for the guest. */
  ramRanges(bytes: number): RamRange[];
  /** The devices of every machine with RAM at `ram`, the console first. */
  platformDevices(ram: readonly RamRange[]): readonly PlatformDevice[];
  /** Where virtio devices with the MMIO transport go, in the order in which they are to be taken. */
  readonly virtioMmioPlaces: readonly VirtioMmioPlace[];
  /**
   * The parameters by which Linux finds virtio-mmio devices without the firmware's tables: for kernels that read
   * no ACPI tables (`acpi=off`), as with ACPI interrupts have other numbers.
   */
  virtioMmioParameters(places: readonly VirtioMmioPlace[]): string;
  readonly pci: PciPlaces;
  readonly userPlaces: UserPlaces;
  /**
   * Where KVM's own interrupt controllers have each GSI lead to: what must be repeated whenever the table of
   * routes is replaced (KVM_SET_GSI_ROUTING).
   */
  readonly fixedRoutes: readonly GsiRoute[];
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
  writeBootData(
    kvm: Kvm,
    memory: GuestMemory,
    image: Image,
    cpus: number,
    plugged?: PluggedDevices,
  ): Boot;
  /**
   * Sets the vCPUs up, the boot processor first.
   *
   * @returns what this host refused and the guest can do without, a line each
   */
  configureVcpus(kvm: Kvm, vcpus: readonly Vcpu[], boot: Boot): string[];
}

/** What the isolate of a vCPU asks of it. */
export interface AttachedArchitecture {
  /** The virtual machine that another isolate made. */
  attachVm(spec: VmSpec): VmFd;
  /** The vCPU that another isolate made. */
  attachVcpu(spec: VcpuSpec): Vcpu;
  /** The exit that a vCPU's KVM_RUN came back with, its registers and its code, in lines. */
  describeExit(vcpu: Vcpu, memory: GuestMemory): string[];
}
