/**
 * Names for files that are not kernels: people pass the compressed kernel, the package it came in, the
 * initrd, a disk image or a script, and should be told so, and what to do instead.
 * @module
 */
import { type ImageSource, readUpTo } from "./image.ts";

/** What a file is instead of a kernel. */
export interface OtherFile {
  /** What it is, with its article: `"a Debian package"`. */
  readonly what: string;
  /** What to do with it, as a clause. */
  readonly remedy: string;
}

/** A format that is known by bytes at one offset. */
interface Magic extends OtherFile {
  readonly offset: number;
  readonly bytes: readonly number[];
}

/** The bytes of an ASCII magic. */
function ascii(text: string): number[] {
  return Array.from(text, (char) => char.charCodeAt(0));
}

function compressed(how: string, offset: number, bytes: number[], tool: string): Magic {
  return {
    what: `${how} data`,
    remedy: `unpack it first: ${tool}`,
    offset,
    bytes,
  };
}

function disk(what: string, offset: number, bytes: number[]): Magic {
  const remedy = "give the kernel inside it (in /boot), and this as a disk";
  return { what, remedy, offset, bytes };
}

const MAGICS: readonly Magic[] = [
  compressed("gzip", 0, [0x1f, 0x8b], "gzip -dc FILE > vmlinux"),
  compressed("xz", 0, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], "xz -dc FILE > vmlinux"),
  compressed("zstd", 0, [0x28, 0xb5, 0x2f, 0xfd], "zstd -dc FILE > vmlinux"),
  compressed("lz4", 0, [0x04, 0x22, 0x4d, 0x18], "lz4 -dc FILE > vmlinux"),
  compressed("lz4 (legacy)", 0, [0x02, 0x21, 0x4c, 0x18], "lz4 -dc FILE > vmlinux"),
  compressed("bzip2", 0, ascii("BZh"), "bzip2 -dc FILE > vmlinux"),
  compressed("lzma", 0, [0x5d, 0x00, 0x00], "xz --format=lzma -dc FILE > vmlinux"),
  compressed("lzop", 0, [0x89, 0x4c, 0x5a, 0x4f], "lzop -dc FILE > vmlinux"),
  {
    what: "a Debian package",
    remedy: "unpack it (dpkg -x FILE DIRECTORY) and give the kernel in its boot directory",
    offset: 0,
    bytes: ascii("!<arch>\ndebian-binary"),
  },
  {
    what: "an ar archive",
    remedy: "link what is in it into a kernel",
    offset: 0,
    bytes: ascii("!<arch>\n"),
  },
  {
    what: "an RPM package",
    remedy: "unpack it (rpm2cpio FILE | cpio -id) and give the kernel in it",
    offset: 0,
    bytes: [0xed, 0xab, 0xee, 0xdb],
  },
  {
    what: "a ZIP archive",
    remedy: "unpack it and give the kernel in it",
    offset: 0,
    bytes: [0x50, 0x4b, 0x03, 0x04],
  },
  {
    what: "a tar archive",
    remedy: "unpack it and give the kernel in it",
    offset: 257,
    bytes: ascii("ustar"),
  },
  {
    what: "a cpio archive, as an initrd is",
    remedy: "give the kernel here, and this as the initrd",
    offset: 0,
    bytes: ascii("07070"),
  },
  {
    what: "a U-Boot uImage",
    remedy: "take the kernel out of it: dumpimage -p 0 -o vmlinux FILE",
    offset: 0,
    bytes: [0x27, 0x05, 0x19, 0x56],
  },
  {
    what: "a device tree blob or FIT image",
    remedy: "give the kernel",
    offset: 0,
    bytes: [0xd0, 0x0d, 0xfe, 0xed],
  },
  {
    what: "a kernel compressed for EFI (zboot)",
    remedy: "unpack its payload, or give the vmlinux it was made from",
    offset: 4,
    bytes: ascii("zimg"),
  },
  {
    what: "an arm64 kernel image",
    remedy: "give a kernel for x86-64, or run it on an arm64 host",
    offset: 56,
    bytes: ascii("ARMd"),
  },
  {
    what: "a RISC-V kernel image",
    remedy: "give a kernel for x86-64",
    offset: 56,
    bytes: ascii("RSC\x05"),
  },
  disk("a qcow2 disk image", 0, [0x51, 0x46, 0x49, 0xfb]),
  disk("a VMDK disk image", 0, ascii("KDMV")),
  disk("a VHDX disk image", 0, ascii("vhdxfile")),
  disk("a squashfs file system", 0, ascii("hsqs")),
  disk("an ISO 9660 image", 0x8001, ascii("CD001")),
  disk("an ext2, ext3 or ext4 file system", 0x438, [0x53, 0xef]),
  {
    what: "an EFI or Windows program",
    remedy: "give a bzImage or a vmlinux",
    offset: 0,
    bytes: ascii("MZ"),
  },
  {
    what: "a boot sector, a disk image, or a kernel older than boot protocol 2.00",
    remedy: "give a bzImage or a vmlinux, and a disk as a disk",
    offset: 0x1fe,
    bytes: [0x55, 0xaa],
  },
];

/** The magic of a Multiboot2 header: 8-byte aligned in the first 32768 bytes. */
const MULTIBOOT2_MAGIC = 0xe85250d6;
const MULTIBOOT2_SEARCH = 32768;
/** How much of a text is looked at, and how much of it is quoted. */
const TEXT_BYTES = 512;
const QUOTED_CHARS = 40;

/** What the file is if it is known and no kernel, else undefined. At most 36 KiB of it is read. */
export function sniffOther(image: ImageSource): OtherFile | undefined {
  const head = readUpTo(image, 0, 0x9000);
  for (const magic of MAGICS) {
    if (magic.bytes.every((byte, i) => head[magic.offset + i] === byte)) return magic;
  }
  if (hasMultiboot2Header(head)) {
    return {
      what: "a Multiboot2 kernel without a multiboot (version 1) header or a PVH entry",
      remedy: "add one of them to the kernel",
    };
  }
  const text = textStart(head.subarray(0, TEXT_BYTES));
  if (text !== undefined) {
    return { what: `a text file, starting with ${JSON.stringify(text)}`, remedy: "give a kernel" };
  }
  return undefined;
}

/** Whether bytes are text rather than the beginning of an archive or a program: see {@link sniffOther}. */
export function textStart(head: Uint8Array): string | undefined {
  if (head.length === 0) return undefined;
  let text: string;
  try {
    // `stream` leaves out a character that the end of the piece cuts in two.
    text = new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
  } catch {
    return undefined;
  }
  for (const char of text) {
    const code = char.charCodeAt(0);
    if (code < 0x20 && !"\t\n\v\f\r\x1b".includes(char) || code === 0x7f) return undefined;
  }
  const line = text.trimStart().split(/[\r\n]/, 1)[0];
  return line.length > QUOTED_CHARS ? `${line.slice(0, QUOTED_CHARS)}…` : line;
}

function hasMultiboot2Header(head: Uint8Array<ArrayBuffer>): boolean {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  for (let at = 0; at + 16 <= Math.min(head.length, MULTIBOOT2_SEARCH); at += 8) {
    if (view.getUint32(at, true) !== MULTIBOOT2_MAGIC) continue;
    const sum = view.getUint32(at, true) + view.getUint32(at + 4, true) +
      view.getUint32(at + 8, true) + view.getUint32(at + 12, true);
    if (sum % 2 ** 32 === 0) return true;
  }
  return false;
}
