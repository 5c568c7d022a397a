/**
 * Loading a kernel, with its initrd, modules and command line, into a guest's memory.
 *
 * The order: the file is read and checked, then every place is found and checked, and only then anything
 * is written. What the processor's registers and the boot protocol's own tables have to be is up to the
 * architecture, which is given the result.
 * @module
 */
import type { GuestMemory } from "../src/memory/mod.ts";
import { bzImageEntry, placeBzImage, relocatedHeader } from "./bzimage.ts";
import { checkCommandLine, checkPrintable, DEFAULT_CMDLINE_SIZE } from "./cmdline.ts";
import { type DetectedKernel, detectKernel } from "./detect.ts";
import { checkBelow4GiB, checkEntry, elfEntry, planElf } from "./elf.ts";
import { LoadOptionError } from "./errors.ts";
import { planFlat } from "./flat.ts";
import type { ImageSource } from "./image.ts";
import { checkInitrd, checkNotEmpty, DEFAULT_INITRD_ADDR_MAX, placeInitrd } from "./initrd.ts";
import type {
  LoadedFlat,
  LoadedKernel,
  LoadedLinux32,
  LoadedLinux64,
  LoadedMultiboot,
  LoadedPvh,
  LoadOptions,
  ModuleOptions,
} from "./loaded.ts";
import { planMultiboot } from "./multiboot.ts";
import {
  multibootInfoSize,
  pcMemoryMap,
  type PlacedModule,
  placeMultibootInfo,
  writeMultibootInfo,
} from "./multiboot_info.ts";
import { checkPlaces, loadPieces, readInto } from "./pieces.ts";
import type { GuestRange, NamedRange } from "./ranges.ts";
import { baseName, FOUR_GIB } from "./text.ts";

/** A {@link DetectedKernel} of some formats. */
type Detected<Format> = Extract<DetectedKernel, { format: Format }>;

/**
 * Loads a kernel, and what goes with it, into guest memory.
 *
 * @param memory the guest's RAM, which is written to only if everything fits
 * @param image the kernel; see {@link openImage}
 * @throws {KernelFormatError} not a kernel that can be started here
 * @throws {PlacementError} no room for it, for its initrd or for a module
 * @throws {CommandLineError} a command line that the kernel would cut off or misread
 * @throws {LoadOptionError} options that contradict each other or the kernel
 * @throws {ImageFileError} the file can't be read
 */
export function loadKernel(
  memory: GuestMemory,
  image: ImageSource,
  options: LoadOptions = {},
): LoadedKernel {
  const detected = detectKernel(image, options);
  checkOptions(image, detected, options);
  switch (detected.protocol) {
    case "multiboot":
      return loadMultiboot(memory, image, detected.format, options);
    case "flat":
      return loadFlat(memory, image, options);
    default:
      return detected.format === "bzimage"
        ? loadBzImage(memory, image, detected, options)
        : loadElf(memory, image, detected, options);
  }
}

function loadBzImage(
  memory: GuestMemory,
  image: ImageSource,
  { protocol, bzImage }: Detected<"bzimage">,
  options: LoadOptions,
): LoadedLinux64 | LoadedLinux32 {
  const { cmdline = "", reserved = [] } = options;
  const { header, kernelVersion, payload } = bzImage;
  checkCommandLine(cmdline, header.cmdline_size, image.name);
  if (options.initrd !== undefined) checkInitrd(options.initrd);
  const { piece, runtime } = placeBzImage(memory, image, bzImage, reserved);
  const taken = [...reserved, piece, runtime];
  const initrd = findInitrd(memory, options, taken, header.initrd_addr_max);
  loadPieces(memory, image, [piece]);
  readInitrd(memory, options, initrd);
  return {
    file: image.name,
    format: "bzimage",
    protocol,
    entry: bzImageEntry(piece.start, protocol === "linux64" ? 64 : 32),
    ranges: rangesOf([piece]),
    cmdline,
    cmdlineSize: header.cmdline_size,
    initrd,
    bzImage: {
      version: header.version,
      setupHeader: relocatedHeader(bzImage, piece.start),
      runtime: { start: runtime.start, end: runtime.end },
      kernelVersion,
      payload,
    },
  };
}

function loadElf(
  memory: GuestMemory,
  image: ImageSource,
  { protocol, elf, notes }: Exclude<Detected<"elf">, { protocol: "multiboot" }>,
  options: LoadOptions,
): LoadedLinux64 | LoadedLinux32 | LoadedPvh {
  const { cmdline = "", reserved = [] } = options;
  checkCommandLine(cmdline, DEFAULT_CMDLINE_SIZE, image.name);
  // A PVH guest that isn't Linux may take anything as its first module.
  if (options.initrd !== undefined) {
    if (protocol === "pvh" && notes.guestOs !== "linux") checkNotEmpty(options.initrd, "initrd");
    else checkInitrd(options.initrd);
  }
  const pieces = planElf(image, elf);
  const entry = protocol === "pvh" ? notes.pvhEntry : elfEntry(image, elf);
  checkBelow4GiB(image, "p_paddr", pieces);
  checkPlaces(memory, image.name, "p_paddr", pieces, reserved);
  if (protocol === "pvh") checkEntry(image, "XEN_ELFNOTE_PHYS32_ENTRY", entry, pieces);
  // A 32-bit kernel maps the first 896 MiB only; a 64-bit one takes any address that fits its pointers.
  const addrMax = elf.class === 32 ? DEFAULT_INITRD_ADDR_MAX : FOUR_GIB - 1;
  const initrd = findInitrd(memory, options, [...reserved, ...pieces], addrMax);
  loadPieces(memory, image, pieces);
  readInitrd(memory, options, initrd);
  const base = {
    file: image.name,
    format: "elf",
    entry,
    ranges: rangesOf(pieces),
    cmdline,
    cmdlineSize: DEFAULT_CMDLINE_SIZE,
    initrd,
  } as const;
  return protocol === "pvh" ? { ...base, protocol, guestOs: notes.guestOs } : { ...base, protocol };
}

function loadMultiboot(
  memory: GuestMemory,
  image: ImageSource,
  format: "elf" | "multiboot",
  options: LoadOptions,
): LoadedMultiboot {
  const { cmdline = "", reserved = [], memoryMap = pcMemoryMap(memory) } = options;
  checkPrintable(cmdline, image.name);
  const { entry, pieces, field } = planMultiboot(image);
  checkPlaces(memory, image.name, field, pieces, reserved);
  const taken: NamedRange[] = [...reserved, ...pieces];
  const sources = modulesOf(options);
  const modules = sources.map((source): PlacedModule => {
    const place = placeModule(memory, source, taken);
    taken.push({ ...place, what: `the module ${source.image.name}` });
    return { ...place, cmdline: source.cmdline ?? baseName(source.image.name) };
  });
  const contents = { cmdline, modules, memoryMap };
  const size = multibootInfoSize(contents);
  const start = placeMultibootInfo(memory, image.name, size, taken);
  loadPieces(memory, image, pieces);
  for (const [i, source] of sources.entries()) {
    readInto(memory, modules[i].start, source.image, 0, source.image.size);
  }
  writeMultibootInfo(memory, start, contents);
  return {
    file: image.name,
    format,
    protocol: "multiboot",
    entry,
    ranges: rangesOf(pieces),
    cmdline,
    info: { start, end: start + size },
    modules,
  };
}

function loadFlat(memory: GuestMemory, image: ImageSource, options: LoadOptions): LoadedFlat {
  const { flat, reserved = [] } = options;
  if (flat === undefined) {
    throw optionError(image, "flat", "none", {
      problem: "a flat image does not tell where it goes",
      remedy: "give its address",
    });
  }
  const { entry, piece } = planFlat(image, flat);
  checkPlaces(memory, image.name, "flat.address", [piece], reserved);
  loadPieces(memory, image, [piece]);
  return {
    file: image.name,
    format: "flat",
    protocol: "flat",
    entry,
    ranges: rangesOf([piece]),
    cmdline: "",
  };
}

/** Refuses what the kernel could not be told: it would be dropped in silence otherwise. */
function checkOptions(
  image: ImageSource,
  { protocol }: DetectedKernel,
  options: LoadOptions,
): void {
  const { flat, modules = [], initrd, cmdline = "" } = options;
  if (flat !== undefined && protocol !== "flat") {
    throw optionError(image, "flat", flat.address, {
      problem: `an address was given for a flat image, but this kernel is started with ${protocol}`,
      remedy: "leave the address out, or ask for the flat protocol",
    });
  }
  if (modules.length > 0 && protocol !== "multiboot") {
    throw optionError(image, "modules", modules.length, {
      problem: `modules were given, but a kernel that is started with ${protocol} takes none`,
      remedy: "put the files into its initrd",
    });
  }
  if (protocol !== "flat") return;
  if (initrd !== undefined) {
    throw optionError(image, "initrd", initrd.name, {
      problem: "an initrd was given, but a flat image can't be told of it",
      remedy: "leave it out",
    });
  }
  if (cmdline !== "") {
    throw optionError(image, "cmdline", cmdline, {
      problem: "a command line was given, but a flat image can't be told of it",
      remedy: "leave it out",
    });
  }
}

function optionError(
  image: ImageSource,
  field: string,
  value: number | string,
  text: { readonly problem: string; readonly remedy: string },
): LoadOptionError {
  return new LoadOptionError({ file: image.name, field, value, ...text });
}

function findInitrd(
  memory: GuestMemory,
  { initrd }: LoadOptions,
  taken: readonly NamedRange[],
  addrMax: number,
): GuestRange | undefined {
  return initrd && placeInitrd(memory, initrd, "initrd", taken, addrMax);
}

function readInitrd(
  memory: GuestMemory,
  { initrd }: LoadOptions,
  place: GuestRange | undefined,
): void {
  if (initrd && place) readInto(memory, place.start, initrd, 0, initrd.size);
}

function modulesOf({ initrd, modules = [] }: LoadOptions): readonly ModuleOptions[] {
  return initrd === undefined ? modules : [{ image: initrd }, ...modules];
}

function placeModule(
  memory: GuestMemory,
  { image, cmdline = "" }: ModuleOptions,
  taken: readonly NamedRange[],
): GuestRange {
  checkNotEmpty(image, "module");
  checkPrintable(cmdline, image.name);
  return placeInitrd(memory, image, "module", taken, FOUR_GIB - 1);
}

function rangesOf(pieces: readonly NamedRange[]): NamedRange[] {
  return pieces.map(({ what, start, end }) => ({ what, start, end }));
}
