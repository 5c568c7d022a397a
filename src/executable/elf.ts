/**
 * One more loadable segment for an ELF program that is linked already.
 *
 * The table of program headers has no room for another entry, and neither the table nor what is behind it can move.
 * But there is an entry that no kernel and no dynamic linker needs: `PT_NOTE`, which points to the build's id. It
 * becomes the `PT_LOAD` of bytes that are appended to the file, and the entry point becomes an address in there:
 *
 * ```text
 * ELF header       e_entry -------------+  the old one is given to whoever writes the segment
 * program headers  ... PT_NOTE -> PT_LOAD: offset = the file's old end, address = behind all others
 * sections         unchanged            |
 * (padding)                             |
 * the segment      <--------------------+  code, read and executed, never written
 * (anything else)                          not mapped; read as a file
 * ```
 *
 * Source: System V ABI, chapters 4 and 5 (ELF header, program header); `fs/binfmt_elf.c`, which wants `PT_LOAD`
 * entries in the order of their addresses.
 * @module
 */

/** A file that no segment can be added to. */
export class ElfError extends Error {
  override readonly name = "ElfError";
}

/** `e_machine` of the architectures that executables are built for. */
export const MACHINES = { x86_64: 62, aarch64: 183 } as const;

/** An architecture that executables are built for. */
export type Machine = keyof typeof MACHINES;

/** ELF header: offsets and values. */
const IDENT_64_LITTLE = [0x7f, 0x45, 0x4c, 0x46, 2, 1];
const E_MACHINE = 18;
const E_ENTRY = 24;
const E_PHOFF = 32;
const E_PHENTSIZE = 54;
const E_PHNUM = 56;
const EHDR_SIZE = 64;

/** Program header: offsets and values. */
const P_OFFSET = 8;
const P_VADDR = 16;
const P_PADDR = 24;
const P_FILESZ = 32;
const P_MEMSZ = 40;
const P_ALIGN = 48;
const P_FLAGS = 4;
const PHDR_SIZE = 56;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_NOTE = 4;
const PF_READ_EXECUTE = 5;

/** Dynamic section: tags, and sizes of the entries of what they point to. */
const DYN_SIZE = 16;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_RELA = 7;
const DT_RELASZ = 8;
const RELA_SIZE = 24;
const SYM_SIZE = 24;
/** The relocation that puts a symbol's address into the global offset table, before the program is entered. */
const GLOB_DAT: Readonly<Record<Machine, number>> = { x86_64: 6, aarch64: 1025 };

/** The largest page of the kernels that may run the file: 64 KiB on arm64. */
const ALIGNMENT = 0x1_0000;

/** Where a segment will be, and what its writer has to know. */
export interface Place {
  readonly machine: Machine;
  /** Of the segment in the file. */
  readonly offset: number;
  /** Of the segment in memory, before the kernel moves the program as a whole. */
  readonly address: number;
  /** Where the program was to be entered, likewise. */
  readonly entry: number;
  /** Where the dynamic linker leaves the address of the C library's `environ`, likewise. */
  readonly environ: number;
}

/** A program that a segment will be added to. */
export class ElfProgram {
  readonly place: Place;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView<ArrayBuffer>;
  /** Offsets of all program headers, in the table's order. */
  readonly #headers: readonly number[];

  /**
   * @param bytes the whole file; it is changed by {@linkcode add}
   * @param name for messages
   * @throws {ElfError} for a file that is no such program, with the reason
   */
  constructor(bytes: Uint8Array<ArrayBuffer>, name: string) {
    const refusal = (problem: string) => {
      return new ElfError(`${name}: ${problem}; give it the "deno" of Deno's release for Linux`);
    };
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const view = this.#view;
    if (bytes.length < EHDR_SIZE || IDENT_64_LITTLE.some((byte, i) => bytes[i] !== byte)) {
      throw refusal("not a 64-bit little-endian ELF file");
    }
    const number = view.getUint16(E_MACHINE, true);
    const machine = (Object.keys(MACHINES) as Machine[]).find((key) => MACHINES[key] === number);
    if (machine === undefined) throw refusal(`made for machine ${number}, not x86-64 or aarch64`);
    const table = this.#read(E_PHOFF);
    const count = view.getUint16(E_PHNUM, true);
    const isWhole = table + count * PHDR_SIZE <= bytes.length;
    if (view.getUint16(E_PHENTSIZE, true) !== PHDR_SIZE || !isWhole) {
      throw refusal("its program headers are not in the file");
    }
    this.#headers = Array.from({ length: count }, (_, i) => table + i * PHDR_SIZE);
    const loads = this.#ofType(PT_LOAD);
    if (loads.length === 0) throw refusal("it has no PT_LOAD");
    if (this.#ofType(PT_NOTE).length === 0) {
      throw refusal("it has no PT_NOTE that could become a PT_LOAD");
    }
    const ends = loads.map((header) => this.#read(header + P_VADDR) + this.#read(header + P_MEMSZ));
    const fileEnds = loads.map((h) => this.#read(h + P_OFFSET) + this.#read(h + P_FILESZ));
    if (Math.max(...fileEnds) > bytes.length) throw refusal("it is cut off");
    const environ = this.#findEnviron(machine);
    if (environ === undefined) throw refusal("it does not use the C library's environ");
    this.place = {
      machine,
      offset: alignUp(bytes.length),
      // The kernel puts the heap behind the last segment.
      address: alignUp(Math.max(...ends)),
      entry: this.#read(E_ENTRY),
      environ,
    };
  }

  /**
   * Turns the note into the segment and enters the program there.
   *
   * @param size of the segment, in bytes
   * @returns the file up to the segment: its bytes with the headers changed, and padding
   */
  add(size: number): Uint8Array<ArrayBuffer> {
    const { offset, address } = this.place;
    const note = this.#ofType(PT_NOTE)[0];
    const lastLoad = this.#ofType(PT_LOAD).at(-1)!;
    const view = this.#view;
    const header = new DataView(new ArrayBuffer(PHDR_SIZE));
    header.setUint32(0, PT_LOAD, true);
    header.setUint32(P_FLAGS, PF_READ_EXECUTE, true);
    header.setBigUint64(P_OFFSET, BigInt(offset), true);
    for (const field of [P_VADDR, P_PADDR]) header.setBigUint64(field, BigInt(address), true);
    for (const field of [P_FILESZ, P_MEMSZ]) header.setBigUint64(field, BigInt(size), true);
    header.setBigUint64(P_ALIGN, BigInt(ALIGNMENT), true);
    // Entries between the two move by one, over the note; the new one takes the place that this frees.
    if (note < lastLoad) {
      this.#bytes.copyWithin(note, note + PHDR_SIZE, lastLoad + PHDR_SIZE);
      this.#bytes.set(new Uint8Array(header.buffer), lastLoad);
    } else {
      const behind = lastLoad + PHDR_SIZE;
      this.#bytes.copyWithin(behind + PHDR_SIZE, behind, note);
      this.#bytes.set(new Uint8Array(header.buffer), behind);
    }
    view.setBigUint64(E_ENTRY, BigInt(address), true);
    const padded = new Uint8Array(offset);
    padded.set(this.#bytes);
    return padded;
  }

  /** The address at which the dynamic linker writes where `environ` is. */
  #findEnviron(machine: Machine): number | undefined {
    const [dynamic] = this.#ofType(PT_DYNAMIC);
    if (dynamic === undefined) return undefined;
    const tags = new Map<number, number>();
    const start = this.#read(dynamic + P_OFFSET);
    const end = start + this.#read(dynamic + P_FILESZ);
    for (let at = start; at < end; at += DYN_SIZE) tags.set(this.#read(at), this.#read(at + 8));
    const [rela, size, symbols, strings] = [DT_RELA, DT_RELASZ, DT_SYMTAB, DT_STRTAB]
      .map((tag) => tags.get(tag));
    if (rela === undefined || size === undefined) return undefined;
    if (symbols === undefined || strings === undefined) return undefined;
    const [table, names] = [this.#inFile(symbols), this.#inFile(strings)];
    const first = this.#inFile(rela);
    for (let at = first; at < first + size; at += RELA_SIZE) {
      const info = this.#view.getBigUint64(at + 8, true);
      if (Number(info & 0xffff_ffffn) !== GLOB_DAT[machine]) continue;
      const symbol = table + Number(info >> 32n) * SYM_SIZE;
      if (this.#text(names + this.#view.getUint32(symbol, true)) === "environ") {
        return this.#read(at);
      }
    }
    return undefined;
  }

  /** Where an address lies in the file. */
  #inFile(address: number): number {
    const load = this.#ofType(PT_LOAD).find((header) => {
      const start = this.#read(header + P_VADDR);
      return address >= start && address < start + this.#read(header + P_FILESZ);
    });
    if (load === undefined) throw new ElfError(`address ${address} is in no segment of the file`);
    return address - this.#read(load + P_VADDR) + this.#read(load + P_OFFSET);
  }

  /** The text that ends at the next NUL. */
  #text(offset: number): string {
    const end = this.#bytes.indexOf(0, offset);
    return new TextDecoder().decode(this.#bytes.subarray(offset, end));
  }

  #ofType(type: number): number[] {
    return this.#headers.filter((header) => this.#view.getUint32(header, true) === type);
  }

  /** A 64-bit field; addresses and sizes of programs are far below 2^53. */
  #read(offset: number): number {
    return Number(this.#view.getBigUint64(offset, true));
  }
}

function alignUp(value: number): number {
  return Math.ceil(value / ALIGNMENT) * ALIGNMENT;
}
