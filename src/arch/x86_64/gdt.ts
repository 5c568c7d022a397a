/**
 * Segment descriptors, as the GDT has them and as KVM_SET_SREGS takes them.
 *
 * Source: Intel SDM volume 3, 3.4.5 (segment descriptors) and 3.5 (system descriptors).
 *
 * @module
 */
import type { KvmSegment } from "../../kvm/mod.ts";

/**
 * A segment register with its hidden part. `limit` is in bytes, also where the descriptor counts pages. Of
 * `type`, 0xb is code and 0x3 data (both accessed), and with `s` 0, 0xb is a busy TSS.
 */
export type Segment = Readonly<KvmSegment>;

const CODE = 0xb;
const DATA = 0x3;
const BUSY_TSS = 0xb;
const FLAT_LIMIT = 0xffff_ffff;

/** __BOOT_CS, __BOOT_DS (Documentation/arch/x86/boot.rst) and the TSS behind them. */
export const Selector = Object.freeze({ CODE: 0x10, DATA: 0x18, TSS: 0x20 });

function segment(fields: Partial<Segment>): Segment {
  return Object.freeze({
    base: 0n,
    limit: FLAT_LIMIT,
    selector: 0,
    type: DATA,
    present: 1,
    dpl: 0,
    db: 0,
    s: 1,
    l: 0,
    g: 1,
    avl: 0,
    unusable: 0,
    ...fields,
  });
}

/** 64-bit code at CPL 0. */
export const CODE64 = segment({ selector: Selector.CODE, type: CODE, l: 1 });
/** 32-bit code over 4 GiB. */
export const CODE32 = segment({ selector: Selector.CODE, type: CODE, db: 1 });
/** Data and stack over 4 GiB. */
export const FLAT_DATA = segment({ selector: Selector.DATA, db: 1 });
/** A task register that satisfies the checks on entry to the guest: 0x67 bytes at 0, never used (PVH's ABI asks for this). */
export const BOOT_TSS = segment({
  selector: Selector.TSS,
  type: BUSY_TSS,
  limit: 0x67,
  s: 0,
  g: 0,
});

/** A real-mode segment: 64 KiB at 16 times its selector. */
export function realModeSegment(selector: number, code: boolean): Segment {
  const base = BigInt(selector * 16);
  return segment({ base, limit: 0xffff, selector, type: code ? CODE : DATA, g: 0 });
}

/** The 8-byte descriptor of a segment with a 32-bit base, as the GDT holds it. */
export function descriptor(seg: Segment): bigint {
  const limit = BigInt(seg.g === 1 ? Math.floor(seg.limit / 4096) : seg.limit);
  const access = BigInt(seg.type | (seg.s << 4) | (seg.dpl << 5) | (seg.present << 7));
  const flags = BigInt(seg.avl | (seg.l << 1) | (seg.db << 2) | (seg.g << 3));
  return (limit & 0xffffn) |
    ((seg.base & 0xff_ffffn) << 16n) |
    (access << 40n) |
    (((limit >> 16n) & 0xfn) << 48n) |
    (flags << 52n) |
    (((seg.base >> 24n) & 0xffn) << 56n);
}

/**
 * The GDT's bytes with each segment at its selector and null descriptors elsewhere.
 *
 * A TSS descriptor takes 16 bytes in long mode; its upper half is a zero base here, so it serves both.
 */
export function gdtBytes(segments: readonly Segment[]): Uint8Array<ArrayBuffer> {
  const end = segments.reduce((most, seg) => Math.max(most, seg.selector + (seg.s ? 8 : 16)), 8);
  const bytes = new Uint8Array(end);
  const view = new DataView(bytes.buffer);
  for (const seg of segments) view.setBigUint64(seg.selector, descriptor(seg), true);
  return bytes;
}
