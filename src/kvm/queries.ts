/**
 * x86: the calls with lists of MSRs and CPUID leaves, which more than one descriptor takes.
 * @module
 */
import { E2BIG, SysError } from "../ffi/errno.ts";
import { KvmCpuid2, type KvmCpuidEntry2, KvmMsrs } from "./bindings/x86.ts";
import { MsrError } from "./errors.ts";

/** The ioctl itself: gives its result, throws SysError. */
type Call = (bytes: Uint8Array<ArrayBuffer>) => number;

/** More leaves than KVM gives (KVM_MAX_CPUID_ENTRIES is 256). */
const MAX_CPUID_ENTRIES = 4096;

/** KVM takes fewer than 256 registers in one call (MAX_IO_MSRS). */
const MSRS_AT_ONCE = 255;

/**
 * KVM_GET_MSRS for any number of registers. KVM's result is how many were read before one that can't be.
 *
 * @throws {MsrError} that names it
 */
export function getMsrs(call: Call, indices: readonly number[], what: string): bigint[] {
  const values: bigint[] = [];
  while (values.length < indices.length) {
    const some = indices.slice(values.length, values.length + MSRS_AT_ONCE);
    const bytes = KvmMsrs.encode({ entries: some.map((index) => ({ index })) });
    const done = call(bytes);
    if (done < some.length) throw new MsrError(some[done], values.length + done, "read", what);
    for (const { data } of KvmMsrs.decode(bytes).entries) values.push(data);
  }
  return values;
}

/**
 * KVM_SET_MSRS for any number of registers. KVM's result is how many were written before one that can't be.
 *
 * @throws {MsrError} that names it
 */
export function setMsrs(
  call: Call,
  entries: readonly { readonly index: number; readonly data: bigint }[],
  what: string,
): void {
  for (let at = 0; at < entries.length; at += MSRS_AT_ONCE) {
    const some = entries.slice(at, at + MSRS_AT_ONCE);
    const done = call(KvmMsrs.encode({ entries: some }));
    if (done < some.length) throw new MsrError(some[done].index, at + done, "written", what);
  }
}

/**
 * A query for CPUID leaves, with more room until they fit: E2BIG does not tell how many there are.
 *
 * Nor does KVM_GET_CPUID2 on older kernels (6.1) when they fit: the count stays what it was, and what follows
 * the last leaf stays zero.
 */
export function queryCpuid(call: Call): KvmCpuidEntry2[] {
  for (let room = 128;; room *= 2) {
    const bytes = KvmCpuid2.allocate(room);
    try {
      call(bytes);
      const { entries } = KvmCpuid2.decode(bytes);
      if (entries.length < room) return entries;
      return entries.slice(0, entries.findLastIndex((leaf) => !isZero(leaf)) + 1);
    } catch (error) {
      const again = error instanceof SysError && error.errno === E2BIG && room < MAX_CPUID_ENTRIES;
      if (!again) throw error;
    }
  }
}

/** Whether nothing was written to an entry: leaf 0 of every processor has something in EAX. */
function isZero(leaf: KvmCpuidEntry2): boolean {
  return Object.values(leaf).every((value) => value === 0);
}
