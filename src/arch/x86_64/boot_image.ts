/**
 * What the boot needs to know of a loaded kernel: the part of every loader's result that the first
 * instruction depends on, whatever the file's format was.
 *
 * @module
 */
import type { BootProtocol } from "./memory_map.ts";

/** A range of guest memory that holds something loaded. */
export interface LoadedRange {
  readonly address: number;
  /** Bytes. */
  readonly size: number;
}

/** A kernel that is in guest memory already, and how it wants to be entered. */
export interface BootImage {
  readonly protocol: BootProtocol;
  /** The guest physical address of the first instruction. */
  readonly entry: number;
  /**
   * linux64 and linux32: the bzImage's bytes from offset 0x1f1 to the end of its setup header. Without it
   * (a vmlinux) the VMM makes a header of its own.
   */
  readonly setupHeader?: Uint8Array;
  /** linux64, linux32 and PVH. Multiboot and flat images get theirs from the loader. */
  readonly commandLine?: string;
  /** linux64, linux32 and PVH (as its first module). */
  readonly initrd?: LoadedRange;
  /** multiboot: the address of the information structure that the loader built. */
  readonly multibootInfo?: number;
}
