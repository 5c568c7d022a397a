/**
 * Numbers and layouts of a program in memory and of the C library's allocator, by their names in C.
 * @module
 */

/** getauxval(3): the program headers in this process's memory, and their number (linux/auxvec.h). */
export const AT_PHDR = 3;
export const AT_PHNUM = 5;

/** A program header of 64 bits (elf(5), linux/elf.h). */
export const elf64_phdr = { size: 56, p_type: 0, p_flags: 4, p_vaddr: 16, p_memsz: 40 } as const;
/** Its types: what is loaded, and where the headers themselves are. */
export const PT_LOAD = 1;
export const PT_PHDR = 6;
/** Its flags: it can be written to. */
export const PF_W = 2;

/** madvise(2): what the pages hold is not needed. */
export const MADV_DONTNEED = 4;

/** mallopt(3): the bytes free at a heap's end from which on they're given back. */
export const M_TRIM_THRESHOLD = -1;
