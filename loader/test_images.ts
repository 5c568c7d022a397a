/**
 * Small kernels for tests, made field by field: valid ones unless the test says otherwise.
 * @module
 */
import { ELF32_LAYOUT, ELF64_LAYOUT } from "./elf_header.ts";
import { SETUP_HEADER_FIELDS, type SetupField } from "./bzimage_header.ts";
import { alignUp } from "./ranges.ts";

/** A program header of {@link elfImage}; the sizes and offset are those of `data` unless given. */
export interface TestSegment {
  readonly type?: number;
  readonly flags?: number;
  readonly vaddr?: bigint;
  readonly paddr?: bigint;
  readonly data?: Uint8Array;
  readonly offset?: bigint;
  readonly filesz?: bigint;
  readonly memsz?: bigint;
  readonly align?: bigint;
}

/** An ELF file with the headers first and the segments' data behind them, each 16-byte aligned. */
export function elfImage(options: {
  readonly class?: 32 | 64;
  readonly machine?: number;
  readonly type?: number;
  readonly entry?: bigint;
  readonly segments: readonly TestSegment[];
  /** Bytes between the program headers and the first segment's data, for a multiboot header. */
  readonly gap?: Uint8Array;
}): Uint8Array<ArrayBuffer> {
  const { segments, gap = new Uint8Array(0) } = options;
  const is64 = (options.class ?? 64) === 64;
  const layout = is64 ? ELF64_LAYOUT : ELF32_LAYOUT;
  const gapAt = alignUp(layout.ehdrSize + segments.length * layout.phdrSize, 16);
  let end = alignUp(gapAt + gap.length, 16);
  const offsets = segments.map(({ data }) => {
    const at = end;
    end = alignUp(end + (data?.length ?? 0), 16);
    return at;
  });
  const bytes = new Uint8Array(end);
  const view = new DataView(bytes.buffer);
  const word = (at: number, value: bigint) =>
    is64 ? view.setBigUint64(at, value, true) : view.setUint32(at, Number(value), true);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, is64 ? 2 : 1, 1, 1]);
  view.setUint16(16, options.type ?? 2, true);
  view.setUint16(18, options.machine ?? (is64 ? 62 : 3), true);
  view.setUint32(20, 1, true);
  word(layout.eEntry, options.entry ?? segments[0]?.paddr ?? 0n);
  word(layout.ePhoff, BigInt(layout.ehdrSize));
  view.setUint16(layout.ePhentsize, layout.phdrSize, true);
  view.setUint16(layout.ePhnum, segments.length, true);
  bytes.set(gap, gapAt);
  for (const [i, segment] of segments.entries()) {
    const at = layout.ehdrSize + i * layout.phdrSize;
    const size = BigInt(segment.data?.length ?? 0);
    view.setUint32(at, segment.type ?? 1, true);
    view.setUint32(at + layout.pFlags, segment.flags ?? 5, true);
    word(at + layout.pOffset, segment.offset ?? BigInt(offsets[i]));
    word(at + layout.pVaddr, segment.vaddr ?? segment.paddr ?? 0n);
    word(at + layout.pPaddr, segment.paddr ?? 0n);
    word(at + layout.pFilesz, segment.filesz ?? size);
    word(at + layout.pMemsz, segment.memsz ?? segment.filesz ?? size);
    word(at + layout.pAlign, segment.align ?? 16n);
    if (segment.data) bytes.set(segment.data, offsets[i]);
  }
  return bytes;
}

/** An ELF note, padded. */
export function elfNote(
  name: string,
  type: number,
  desc: Uint8Array,
  alignment: 4 | 8 = 4,
): Uint8Array<ArrayBuffer> {
  const nameBytes = new TextEncoder().encode(`${name}\0`);
  const descAt = alignUp(12 + nameBytes.length, alignment);
  const bytes = new Uint8Array(alignUp(descAt + desc.length, alignment));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, nameBytes.length, true);
  view.setUint32(4, desc.length, true);
  view.setUint32(8, type, true);
  bytes.set(nameBytes, 12);
  bytes.set(desc, descAt);
  return bytes;
}

/** The PVH note with its entry in 4 or 8 bytes, behind one that says it's Linux. */
export function pvhNotes(entry: bigint, size: 4 | 8 = 8): Uint8Array<ArrayBuffer> {
  const desc = new Uint8Array(8);
  new DataView(desc.buffer).setBigUint64(0, entry, true);
  const guestOs = elfNote("Xen", 6, new TextEncoder().encode("linux\0"));
  const pvh = elfNote("Xen", 18, desc.subarray(0, size));
  return concat([guestOs, pvh]);
}

/** A 64-bit vmlinux with a text, a bss and, where `pvhEntry` is given, the PVH note. */
export function vmlinux(options: {
  readonly base?: bigint;
  readonly text?: Uint8Array;
  readonly pvhEntry?: bigint;
  readonly class?: 32 | 64;
  readonly gap?: Uint8Array;
} = {}): Uint8Array<ArrayBuffer> {
  const { base = 0x100000n, text = pattern(0x300, 1), pvhEntry } = options;
  const high = options.class === 32 ? 0xc0000000n : 0xffffffff80000000n;
  return elfImage({
    class: options.class,
    gap: options.gap,
    entry: base,
    segments: [
      { paddr: base, vaddr: high + base, data: text, flags: 5 },
      {
        paddr: base + 0x1000n,
        vaddr: high + base + 0x1000n,
        data: pattern(0x80, 2),
        memsz: 0x800n,
        flags: 6,
      },
      ...(pvhEntry === undefined
        ? []
        : [{ type: 4, paddr: base, data: pvhNotes(pvhEntry), align: 4n }]),
    ],
  });
}

/** A bzImage of boot protocol 2.15 with a 64-bit entry, a version string and a payload. */
export function bzImage(options: {
  readonly fields?: Readonly<Partial<Record<SetupField, number>>>;
  readonly setupSects?: number;
  readonly kernel?: Uint8Array;
  readonly kernelVersion?: string;
} = {}): Uint8Array<ArrayBuffer> {
  const { setupSects = 4, kernel = pattern(0x800, 3) } = options;
  const kernelOffset = ((setupSects === 0 ? 4 : setupSects) + 1) * 512;
  const bytes = new Uint8Array(kernelOffset + kernel.length);
  const view = new DataView(bytes.buffer);
  const fields: Partial<Record<SetupField, number>> = {
    setup_sects: setupSects,
    syssize: Math.ceil(kernel.length / 16),
    boot_flag: 0xaa55,
    jump: 0x6aeb,
    header: 0x53726448,
    version: 0x20f,
    kernel_version: 0x300,
    loadflags: 1,
    code32_start: 0x100000,
    initrd_addr_max: 0x7fffffff,
    kernel_alignment: 0x1000,
    relocatable_kernel: 1,
    xloadflags: 0x7f,
    cmdline_size: 2047,
    payload_offset: 0x300,
    payload_length: 0x100,
    pref_address: 0x110000,
    init_size: 0x4000,
    ...options.fields,
  };
  for (const [name, value] of Object.entries(fields)) {
    const { offset, size } = SETUP_HEADER_FIELDS[name as SetupField];
    if (size === 1) view.setUint8(offset, value);
    else if (size === 2) view.setUint16(offset, value, true);
    else if (size === 4) view.setUint32(offset, value, true);
    else view.setBigUint64(offset, BigInt(value), true);
  }
  const version = options.kernelVersion ?? "6.1.0-test (builder@host) #1 SMP";
  bytes.set(new TextEncoder().encode(`${version}\0`), 0x500);
  bytes.set(kernel, kernelOffset);
  return bytes;
}

/** A multiboot header; with `addresses`, it has flag 16. */
export function multibootHeader(options: {
  readonly flags?: number;
  readonly addresses?: readonly [number, number, number, number, number];
} = {}): Uint8Array<ArrayBuffer> {
  const { flags = 3, addresses } = options;
  const bytes = new Uint8Array(addresses === undefined ? 12 : 32);
  const view = new DataView(bytes.buffer);
  const all = addresses === undefined ? flags : flags | 1 << 16;
  view.setUint32(0, 0x1badb002, true);
  view.setUint32(4, all, true);
  view.setUint32(8, -(0x1badb002 + all), true);
  for (const [i, address] of (addresses ?? []).entries()) {
    view.setUint32(12 + i * 4, address, true);
  }
  return bytes;
}

/** A multiboot kernel that is not ELF: 64 bytes, the header, text; loaded at 1 MiB with a bss. */
export function multibootFlat(): Uint8Array<ArrayBuffer> {
  const text = pattern(0x200, 4);
  const header = multibootHeader({
    addresses: [0x100040, 0x100000, 0, 0x101000, 0x100060],
  });
  return concat([pattern(0x40, 5), header, text]);
}

/** Bytes that tell their place: a counter with a seed. */
export function pattern(length: number, seed: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 31 + 1) & 0xff);
}

/** All of the pieces, one behind the other. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
