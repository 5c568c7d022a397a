/**
 * Loaders: kernels in the formats that are in use, initrds and command lines, and the archives that
 * initrds are made of.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { BytesImage, loadKernel } from "denovisor/loader";
 * import { GuestMemory } from "denovisor/memory";
 *
 * const memory = GuestMemory.forTest(1 << 20);
 * const hlt = new BytesImage("hlt", new Uint8Array([0xf4]));
 * const kernel = loadKernel(memory, hlt, { protocol: "flat", flat: { address: 0x1000 } });
 * assert.equal(kernel.entry, 0x1000);
 * assert.equal(memory.readU8(0x1000), 0xf4);
 * ```
 *
 * A kernel from a file, with its initrd, goes like this:
 *
 * ```ts ignore
 * using vmlinuz = openImage("/boot/vmlinuz", "kernel");
 * using initrd = openImage("/boot/initrd.img", "initrd");
 * const cmdline = new CommandLine("quiet").insert("console", "ttyS0").toString();
 * const reserved = [{ start: 0, end: 0x100000, what: "the first MiB" }];
 * const kernel = loadKernel(memory, vmlinuz, { initrd, cmdline, reserved });
 * switch (kernel.protocol) {
 *   case "linux64": // RSI = boot_params, with kernel.bzImage?.setupHeader in it
 *   case "pvh": // EBX = hvm_start_info
 *   // and so on: see BootProtocol
 * }
 * ```
 * @module
 */
export { type BzImage, type KernelPayload, readBzImage, type SetupHeader } from "./bzimage.ts";
export * from "./cmdline.ts";
export * from "./cpio.ts";
export {
  type BootProtocol,
  type DetectedKernel,
  detectKernel,
  type DetectOptions,
  type KernelFormat,
} from "./detect.ts";
export type { ElfFile, ElfSegment } from "./elf_header.ts";
export type { KernelNotes } from "./elf_notes.ts";
export * from "./errors.ts";
export type { FlatOptions } from "./flat.ts";
export { BytesImage, type ImageSource } from "./image.ts";
export { placeInitrd } from "./initrd.ts";
export { loadKernel } from "./load.ts";
export type * from "./loaded.ts";
export type { MemoryMapEntry, PlacedModule } from "./multiboot_info.ts";
export { FileImage, openImage } from "./open.ts";
export type { GuestRange, NamedRange } from "./ranges.ts";
