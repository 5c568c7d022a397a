/**
 * An open image or block device, as the isolate that serves it sees it.
 * @module
 */
import { EIO, RWF_DSYNC } from "../../../src/ffi/mod.ts";
import type { LimitValues } from "../../limits/mod.ts";
import { hasFeature } from "../features.ts";
import type { BlockFault } from "./fault_rules.ts";
import type { FlushGate } from "./flush_gate.ts";
import type { CacheMode } from "./options.ts";
import { ConfigOffset, Feature } from "./protocol.ts";

/** What a disk is on the host: a regular file, a block device, or memory of this process. */
export type DiskKind = "file" | "device" | "memory";

/** What the isolate that serves a disk is told about it. */
export interface BlockBackend {
  /** The path, or what messages call a disk in memory. */
  readonly path: string;
  /** The open descriptor, which holds the lock. It belongs to the machine. */
  readonly fd: number;
  readonly kind: DiskKind;
  readonly readOnly: boolean;
  /** The logical block size in bytes. */
  readonly blockSize: number;
  /** Blocks that the host can free, in bytes. */
  readonly granularity: number;
  /** The alignment that O_DIRECT asks of memory and lengths, in bytes; 1: none. */
  readonly alignment: number;
  readonly cache: CacheMode;
  /** Whether discarded blocks are given back to the host. */
  readonly discard: boolean;
  /** What VIRTIO_BLK_T_GET_ID gives. */
  readonly serial: string;
  readonly limits: LimitValues;
  /** What goes wrong from the beginning. */
  readonly faults: readonly BlockFault[];
}

/** The disk behind the requests. Belongs to one isolate. */
export class Disk {
  readonly fd: number;
  readonly readOnly: boolean;
  readonly granularity: number;
  readonly alignment: number;
  /** Bytes that the guest sees. */
  size: number;
  /** Whether blocks may, and can, be freed. */
  canPunch: boolean;
  /** Whether the host can zero a range without writing it, as far as is known. */
  canZero = true;
  /** The logical block size in bytes. */
  readonly blockSize: number;
  readonly #cache: CacheMode;
  readonly #gate: FlushGate;
  /** The device's configuration space. */
  readonly #config: Uint8Array;
  /** Whether the driver sends flushes. */
  #flushes = false;
  /** Whether the driver knows the write cache's switch. */
  #switches = false;

  /** @param size bytes, a multiple of the logical block size @param config the configuration space */
  constructor(backend: BlockBackend, size: number, config: Uint8Array, gate: FlushGate) {
    this.fd = backend.fd;
    this.readOnly = backend.readOnly;
    this.granularity = backend.granularity;
    this.alignment = backend.alignment;
    this.canPunch = backend.discard;
    this.size = size;
    this.blockSize = backend.blockSize;
    this.#cache = backend.cache;
    this.#config = config;
    this.#gate = gate;
  }

  /** What a new driver has accepted. */
  agree(features: bigint): void {
    this.#flushes = hasFeature(features, Feature.flush);
    this.#switches = hasFeature(features, Feature.configWce);
  }

  /**
   * The flags of a write that begins now: RWF_DSYNC where it has to be durable when it is reported done (5.2.6.2).
   * The driver's switch is read anew each time, as the writes it's for may come before the news of its change.
   */
  get writeFlags(): number {
    if (this.#cache === "unsafe") return 0;
    if (this.#cache === "writethrough" || !this.#flushes) return RWF_DSYNC;
    return this.#switches && this.#config[ConfigOffset.writeback] === 0 ? RWF_DSYNC : 0;
  }

  /** Whether a range is inside the disk and consists of logical blocks. @param offset may be any number, in bytes */
  holds(offset: number, length: number): boolean {
    return offset + length <= this.size && offset % this.blockSize === 0 &&
      length % this.blockSize === 0;
  }

  /**
   * Notes that a write failed that was to be durable. The kernel may have told this write about the loss of others,
   * and tells nobody twice. Not so with O_DIRECT, nor where there was no room: then no other write is concerned.
   */
  writeFailed(errno: number, flags: number): void {
    if (flags !== 0 && this.alignment === 1 && errno === EIO) this.#gate.lose(errno);
  }
}
