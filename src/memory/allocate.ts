/**
 * RAM from the host: memory inside SharedArrayBuffers, ready to be given to KVM; of memfds, unless its pages are to be
 * transparent huge ones.
 * @module
 */
import {
  createMemFd,
  type Fd,
  HUGE_PAGE_SIZE,
  PAGE_SIZE,
  SharedMapping,
  SysError,
} from "../ffi/mod.ts";
import { GuestMemory } from "./guest_memory.ts";

/**
 * How the host backs guest memory: `"none"` takes ordinary pages, `"transparent"` asks for huge ones where
 * the kernel finds some, `"2M"` takes reserved ones (vm.nr_hugepages) and fails where there are too few.
 *
 * Transparent ones are of no descriptor, and can't be shared with other processes: for a descriptor's pages nearly
 * all hosts have them switched off (shmem_enabled), for others they are there for the asking. `"auto"` takes them from
 * 128 MiB on: a Linux that boots then faults some dozens of times where it did 25 000 times. A smaller guest may well
 * be one of many that touch a few pages here and there, each of which would cost 2 MiB.
 */
export type HugePages = "auto" | "none" | "transparent" | "2M";

/** How much RAM a guest has that gets huge pages unasked. */
const AUTO_MINIMUM = 128 << 20;

/** A piece of RAM as the guest sees it. */
export interface RamRange {
  readonly guestAddress: number;
  /** Bytes, a multiple of the page size. */
  readonly size: number;
}

/** One region as KVM_SET_USER_MEMORY_REGION takes it. */
export interface MemorySlot extends RamRange {
  /** Where the region is in this process. */
  readonly hostAddress: bigint;
}

/** The host can't give the memory that was asked for. */
export class OutOfMemoryError extends Error {
  override readonly name = "OutOfMemoryError";
}

/** RAM that belongs to one guest, until it is disposed of. */
export class GuestRam implements Disposable {
  /** Checked access to it. */
  readonly memory: GuestMemory;
  /** What KVM is told about it. */
  readonly slots: readonly MemorySlot[];
  readonly #mappings: readonly SharedMapping[];
  readonly #fds: readonly Fd[];

  private constructor(
    ranges: readonly RamRange[],
    mappings: SharedMapping[],
    fds: Fd[],
    anonymous: boolean,
  ) {
    this.#mappings = mappings;
    this.#fds = fds;
    this.memory = GuestMemory.attach({
      regions: mappings.map((mapping, i) => ({
        ...ranges[i],
        buffer: mapping.buffer,
        byteOffset: mapping.byteOffset,
        anonymous,
      })),
    });
    this.slots = mappings.map((mapping, i) => ({ ...ranges[i], hostAddress: mapping.address }));
  }

  /**
   * Takes memory from the host for each range.
   *
   * Pages are given when the guest first touches them. What the host could never give is refused here.
   *
   * @throws {OutOfMemoryError} more than the host has, or too few reserved huge pages
   * @throws {RangeError} a range that is not whole pages
   */
  static allocate(ranges: readonly RamRange[], kind: HugePages = "none"): GuestRam {
    const total = ranges.reduce((sum, range) => sum + range.size, 0);
    const hugePages = kind !== "auto" ? kind : total >= AUTO_MINIMUM ? "transparent" : "none";
    const { total: host } = Deno.systemMemoryInfo();
    if (total > host) {
      throw new OutOfMemoryError(
        `the guest is to have ${mebibytes(total)} of memory, but this host has ${mebibytes(host)}`,
      );
    }
    using undo = new DisposableStack();
    const mappings: SharedMapping[] = [];
    const fds: Fd[] = [];
    for (const { guestAddress, size } of ranges) {
      const what = `guest memory at 0x${guestAddress.toString(16)}`;
      const page = hugePages === "2M" ? HUGE_PAGE_SIZE : PAGE_SIZE;
      if (guestAddress % page !== 0 || size % page !== 0) {
        throw new RangeError(`${what}: ${size} bytes are not whole pages of ${page} bytes`);
      }
      try {
        const mapping = undo.use(
          hugePages === "transparent"
            ? new SharedMapping({ size, align: HUGE_PAGE_SIZE, what })
            : mapMemFd(size, hugePages, what, (fd) => fds.push(undo.use(fd))),
        );
        if (hugePages === "transparent") mapping.adviseHugePages();
        mappings.push(mapping);
      } catch (cause) {
        throw new OutOfMemoryError(explain(cause, size, hugePages), { cause });
      }
    }
    const ram = new GuestRam(ranges, mappings, fds, hugePages === "transparent");
    undo.move();
    return ram;
  }

  /**
   * The memfds behind the regions, in their order, for whoever shares the RAM with another process; none behind
   * transparent huge pages.
   */
  get fds(): readonly Fd[] {
    return this.#fds;
  }

  /** Gives everything back to the host. The guest must have stopped. */
  [Symbol.dispose](): void {
    for (const mapping of this.#mappings) mapping.release();
    for (const fd of this.#fds) fd.close();
  }
}

/** @param own takes the memfd over, before anything else can fail */
function mapMemFd(
  size: number,
  hugePages: HugePages,
  what: string,
  own: (fd: Fd) => void,
): SharedMapping {
  const fd = createMemFd("guest-memory", size, { hugeTlb: hugePages === "2M" });
  own(fd);
  return new SharedMapping({ fd: fd.raw, size, align: HUGE_PAGE_SIZE, what });
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / 2 ** 20)} MiB`;
}

function explain(cause: unknown, size: number, hugePages: HugePages): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  const base = `the host can't give ${mebibytes(size)} of guest memory: ${text}`;
  if (hugePages !== "2M" || !(cause instanceof SysError)) return base;
  const pages = Math.ceil(size / HUGE_PAGE_SIZE);
  return `${base}; reserve at least ${pages} huge pages (sysctl vm.nr_hugepages=${pages}) or ask for transparent ones`;
}
