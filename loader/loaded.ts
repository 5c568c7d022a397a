/**
 * What loading a kernel takes and gives.
 * @module
 */
import type { KernelPayload } from "./bzimage.ts";
import type { BootProtocol, DetectOptions, KernelFormat } from "./detect.ts";
import type { FlatOptions } from "./flat.ts";
import type { ImageSource } from "./image.ts";
import type { MemoryMapEntry, PlacedModule } from "./multiboot_info.ts";
import type { GuestRange, NamedRange } from "./ranges.ts";

/** A module for a multiboot kernel. */
export interface ModuleOptions {
  readonly image: ImageSource;
  /** What the kernel is told with it; the file's name by default. */
  readonly cmdline?: string;
}

/** How a kernel is to be loaded. Everything has a default. */
export interface LoadOptions extends DetectOptions {
  /**
   * Guest RAM that the machine needs for itself: its tables, the command line, the legacy hole. A kernel
   * that has to go there is refused, and nothing else is placed there.
   */
  readonly reserved?: readonly NamedRange[];
  /**
   * For Linux and multiboot kernels. It is checked here against what the kernel takes, but written here
   * only for multiboot.
   */
  readonly cmdline?: string;
  /** For Linux and PVH kernels; for a multiboot kernel it is the first module. */
  readonly initrd?: ImageSource;
  /** For multiboot kernels. */
  readonly modules?: readonly ModuleOptions[];
  /** The machine's memory map, for multiboot kernels; that of a PC with the guest's RAM by default. */
  readonly memoryMap?: readonly MemoryMapEntry[];
  /** Where a flat image goes; needed for it, and for nothing else. */
  readonly flat?: FlatOptions;
}

/** What every loaded kernel has. */
export interface LoadedKernelBase {
  /** The kernel's file name, for messages. */
  readonly file: string;
  readonly format: KernelFormat;
  readonly protocol: BootProtocol;
  /** Guest physical address where it starts. It is in one of {@link LoadedKernelBase.ranges}. */
  readonly entry: number;
  /** Where the kernel has been loaded, zeroed memory (bss) included: wholly RAM, clear of each other. */
  readonly ranges: readonly NamedRange[];
  /** The command line, checked; empty where none was given. */
  readonly cmdline: string;
}

/** What kernels of the Linux protocols and PVH kernels have. */
export interface LoadedLinuxBase extends LoadedKernelBase {
  /** The most bytes of command line that it takes, without the NUL. */
  readonly cmdlineSize: number;
  /** The initrd's bytes in guest memory: page aligned, below 4 GiB and what the kernel allows. */
  readonly initrd?: GuestRange;
}

/** What a bzImage tells beside where to start it. */
export interface LoadedBzImage {
  /** boot protocol version: 0x20f is 2.15. */
  readonly version: number;
  /**
   * For `struct boot_params` at offset 0x1f1: as in the file, but code32_start is where the kernel was
   * loaded. type_of_loader, loadflags, ramdisk_image, ramdisk_size, cmd_line_ptr and the like are left to
   * whoever makes boot_params.
   */
  readonly setupHeader: Uint8Array<ArrayBuffer>;
  /** Memory that it unpacks itself into before it looks at the memory map (init_size). */
  readonly runtime: GuestRange;
  /** uname's release and version, where the image has them. */
  readonly kernelVersion?: string;
  /** The compressed kernel in the file, where the header tells. */
  readonly payload?: KernelPayload;
}

/** A kernel for the 64-bit Linux boot protocol: RSI is to have the address of boot_params. */
export interface LoadedLinux64 extends LoadedLinuxBase {
  readonly format: "bzimage" | "elf";
  readonly protocol: "linux64";
  /** Of a bzImage; a vmlinux has none, and boot_params gets a header made by the architecture. */
  readonly bzImage?: LoadedBzImage;
}

/** A kernel for the 32-bit Linux boot protocol: ESI is to have the address of boot_params. */
export interface LoadedLinux32 extends LoadedLinuxBase {
  readonly format: "bzimage" | "elf";
  readonly protocol: "linux32";
  /** See {@link LoadedLinux64.bzImage}. */
  readonly bzImage?: LoadedBzImage;
}

/** A kernel with a PVH entry: EBX is to have the address of hvm_start_info. */
export interface LoadedPvh extends LoadedLinuxBase {
  readonly format: "elf";
  readonly protocol: "pvh";
  /** The system that its notes name, such as `linux`. */
  readonly guestOs?: string;
}

/** A multiboot kernel: EAX is to be 0x2BADB002, and EBX to have the address of multiboot_info. */
export interface LoadedMultiboot extends LoadedKernelBase {
  readonly format: "elf" | "multiboot";
  readonly protocol: "multiboot";
  /** Where multiboot_info begins, with what it points to behind it, written already. */
  readonly info: GuestRange;
  /** The modules, the initrd first where there is one. */
  readonly modules: readonly PlacedModule[];
}

/** A flat image, which is told nothing. */
export interface LoadedFlat extends LoadedKernelBase {
  readonly format: "flat";
  readonly protocol: "flat";
}

/** A kernel in guest memory, and what its boot protocol needs to know of it. */
export type LoadedKernel =
  | LoadedLinux64
  | LoadedLinux32
  | LoadedPvh
  | LoadedMultiboot
  | LoadedFlat;
