/**
 * What a kernel file is, by its bytes, and which boot protocol it is started with.
 *
 * Formats are tried in this order, each by its magic:
 *
 * 1. `bzimage`: HdrS at 0x202, boot protocol 2.00 or later.
 * 2. `elf`: ELF, 32-bit or 64-bit.
 * 3. `multiboot`: a multiboot header in the first 8 KiB of any other file.
 *
 * A `flat` image is never detected: it has to be asked for. Unless asked for, too, the protocol is
 *
 * - for a bzImage `linux64` where it has a 64-bit entry, else `linux32`;
 * - for ELF `pvh` where its notes have a PVH entry; else `multiboot` where it has a multiboot header,
 *   which is put there on purpose, while a 64-bit kernel of that kind would crash when entered in 64-bit
 *   mode; else `linux64` or `linux32` by its class.
 * @module
 */
import { type BzImage, isBzImage, readBzImage } from "./bzimage.ts";
import { type ElfFile, elfNotes, readElf } from "./elf.ts";
import { ELF_MAGIC } from "./elf_header.ts";
import type { KernelNotes } from "./elf_notes.ts";
import { KernelFormatError, LoadOptionError } from "./errors.ts";
import { type ImageSource, readUpTo, viewOf } from "./image.ts";
import { findMultibootHeader, MULTIBOOT_SEARCH } from "./multiboot.ts";
import { sniffOther } from "./sniff.ts";

/** How a kernel is packed into its file. */
export type KernelFormat = "bzimage" | "elf" | "multiboot" | "flat";

/**
 * How a kernel is entered.
 *
 * | protocol    | mode                      | what it is told, and where                                |
 * | ----------- | ------------------------- | --------------------------------------------------------- |
 * | `linux64`   | 64-bit, identity mapped   | boot_params in RSI (boot.rst, "64-bit Boot Protocol")     |
 * | `linux32`   | 32-bit, no paging         | boot_params in ESI (boot.rst, "32-bit Boot Protocol")     |
 * | `pvh`       | 32-bit, no paging         | hvm_start_info in EBX (Xen's docs/misc/pvh.pandoc)        |
 * | `multiboot` | 32-bit, no paging         | multiboot_info in EBX, 0x2BADB002 in EAX                  |
 * | `flat`      | whatever the machine has  | nothing                                                   |
 */
export type BootProtocol = "linux64" | "linux32" | "pvh" | "multiboot" | "flat";

/** What the caller insists on; see the module's doc for what holds otherwise. */
export interface DetectOptions {
  /** Read the file as this. */
  readonly format?: KernelFormat;
  /** Start it like this. */
  readonly protocol?: BootProtocol;
}

/** What a kernel file is and how it is started, with what was read of it to know that. */
export type DetectedKernel =
  | {
    readonly format: "bzimage";
    readonly protocol: "linux64" | "linux32";
    readonly bzImage: BzImage;
  }
  | {
    readonly format: "elf";
    readonly protocol: "linux64" | "linux32";
    readonly elf: ElfFile;
    readonly notes?: undefined;
  }
  | {
    readonly format: "elf";
    readonly protocol: "pvh";
    readonly elf: ElfFile;
    readonly notes: KernelNotes & { readonly pvhEntry: number };
  }
  | { readonly format: "elf" | "multiboot"; readonly protocol: "multiboot" }
  | { readonly format: "flat"; readonly protocol: "flat" };

/** The protocols that a format can be started with. */
const PROTOCOLS: Readonly<Record<KernelFormat, readonly BootProtocol[]>> = {
  bzimage: ["linux64", "linux32"],
  elf: ["pvh", "multiboot", "linux64", "linux32"],
  multiboot: ["multiboot"],
  flat: ["flat"],
};

/**
 * Tells what a kernel file is. It reads the headers, not the kernel.
 *
 * @throws {KernelFormatError} no kernel, saying what it is instead where that is known; or a damaged one,
 * or one for another machine
 * @throws {LoadOptionError} the format or protocol asked for is not the file's
 */
export function detectKernel(image: ImageSource, options: DetectOptions = {}): DetectedKernel {
  const format = options.format ?? formatFor(image, options.protocol);
  const { protocol } = options;
  if (protocol !== undefined && !PROTOCOLS[format].includes(protocol)) {
    throw new LoadOptionError({
      file: image.name,
      field: "protocol",
      value: protocol,
      problem: `a kernel in the format ${format} can't be started with the protocol ${protocol}`,
      remedy: `choose one of ${PROTOCOLS[format].join(", ")}, or leave it to be detected`,
    });
  }
  switch (format) {
    case "bzimage":
      return detectBzImage(image, protocol);
    case "elf":
      return detectElf(image, protocol);
    case "multiboot":
      return { format, protocol: "multiboot" };
    case "flat":
      return { format, protocol: "flat" };
  }
}

/** A protocol that only one format has tells the format, where the bytes don't. */
function formatFor(image: ImageSource, protocol: BootProtocol | undefined): KernelFormat {
  if (protocol === "flat") return "flat";
  const head = readUpTo(image, 0, MULTIBOOT_SEARCH);
  if (isBzImage(head)) return "bzimage";
  if (head.length >= 4 && viewOf(head).getUint32(0, true) === ELF_MAGIC) return "elf";
  if (findMultibootHeader(head) !== undefined) return "multiboot";
  const other = sniffOther(image);
  if (other !== undefined) {
    throw new KernelFormatError({
      file: image.name,
      field: "format",
      value: other.what,
      problem: `this is not a kernel but ${other.what}`,
      remedy: other.remedy.replace("FILE", () => image.name),
    });
  }
  const start = Array.from(head.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0"));
  throw new KernelFormatError({
    file: image.name,
    field: "format",
    value: start.join(" "),
    problem: head.length === 0
      ? "this file is empty"
      : `this is no kernel that is known here (its first bytes are ${start.join(" ")})`,
    remedy: "give a bzImage, an ELF vmlinux or a multiboot kernel, or ask for a flat image",
  });
}

function detectBzImage(image: ImageSource, protocol: BootProtocol | undefined): DetectedKernel {
  const bzImage = readBzImage(image);
  if (protocol === "linux64" && !bzImage.has64BitEntry) {
    throw new LoadOptionError({
      file: image.name,
      field: "protocol",
      value: protocol,
      problem: "this bzImage has no 64-bit entry (XLF_KERNEL_64)",
      remedy: "choose linux32, or leave it to be detected",
    });
  }
  const chosen = protocol === "linux32" || !bzImage.has64BitEntry ? "linux32" : "linux64";
  return { format: "bzimage", protocol: chosen, bzImage };
}

function detectElf(image: ImageSource, protocol: BootProtocol | undefined): DetectedKernel {
  if (protocol === "multiboot") return { format: "elf", protocol };
  const elf = readElf(image);
  const linux = elf.class === 64 ? "linux64" : "linux32";
  if (protocol === "linux64" || protocol === "linux32") {
    if (protocol === linux) return { format: "elf", protocol, elf };
    throw new LoadOptionError({
      file: image.name,
      field: "protocol",
      value: protocol,
      problem: `a ${elf.class}-bit ELF kernel can't be entered with the protocol ${protocol}`,
      remedy: `choose ${linux}, or leave it to be detected`,
    });
  }
  const { pvhEntry, guestOs } = elfNotes(image, elf);
  if (pvhEntry !== undefined) {
    return { format: "elf", protocol: "pvh", elf, notes: { pvhEntry, guestOs } };
  }
  if (protocol === "pvh") {
    throw new LoadOptionError({
      file: image.name,
      field: "protocol",
      value: protocol,
      problem: "this ELF file has no PVH entry (XEN_ELFNOTE_PHYS32_ENTRY in its notes)",
      remedy: "build Linux with CONFIG_PVH, or leave the protocol to be detected",
    });
  }
  const header = findMultibootHeader(readUpTo(image, 0, MULTIBOOT_SEARCH));
  if (header !== undefined) return { format: "elf", protocol: "multiboot" };
  return { format: "elf", protocol: linux, elf };
}
