/**
 * The block device as virtio 1.2, 5.2 writes it down: feature bits, requests and the configuration space.
 * @module
 */

/** The device's number (virtio 1.2, 5). */
export const DEVICE_TYPE = 2;

/** Feature bits (5.2.3). */
export const Feature = {
  segMax: 2,
  readOnly: 5,
  blockSize: 6,
  flush: 9,
  topology: 10,
  configWce: 11,
  multiQueue: 12,
  discard: 13,
  writeZeroes: 14,
} as const;

/** The types of requests (5.2.6). */
export const RequestType = {
  in: 0,
  out: 1,
  flush: 4,
  getId: 8,
  discard: 11,
  writeZeroes: 13,
} as const;

/** What the last byte of a request says when it comes back (5.2.6). */
export const RequestStatus = { ok: 0, ioError: 1, unsupported: 2 } as const;
/** One of {@linkcode RequestStatus}. */
export type RequestStatus = typeof RequestStatus[keyof typeof RequestStatus];

/** The unit of sector numbers, in bytes, whatever the logical block size (5.2.4). */
export const SECTOR_SIZE = 512;

/** A request begins with le32 type, le32 reserved, le64 sector (5.2.6). */
export const HEADER_SIZE = 16;

/** Bytes of the string that VIRTIO_BLK_T_GET_ID asks for; no NUL if all are used (5.2.6). */
export const ID_SIZE = 20;

/** struct virtio_blk_discard_write_zeroes: le64 sector, le32 num_sectors, le32 flags (5.2.6). */
export const SEGMENT_SIZE = 16;
/** The only flag of a segment: the device may deallocate. */
export const SEGMENT_UNMAP = 1;

/** The most segments of a discard. */
export const MAX_DISCARD_SEGMENTS = 32;
/**
 * The most segments of a write zeroes request: drivers send no more, and where the host can't zero a range by a call,
 * all of them are written before the device can stop.
 */
export const MAX_ZERO_SEGMENTS = 1;
/** The most sectors of one segment: 1 GiB. */
export const MAX_SEGMENT_SECTORS = 0x20_0000;

/** Descriptors of each queue. */
export const QUEUE_SIZE = 256;

/** Where the fields of the configuration space are (5.2.4). */
export const ConfigOffset = {
  capacity: 0,
  segMax: 12,
  blockSize: 20,
  physicalBlockExponent: 24,
  minIoSize: 26,
  writeback: 32,
  queueCount: 34,
  maxDiscardSectors: 36,
  maxDiscardSegments: 40,
  discardSectorAlignment: 44,
  maxWriteZeroesSectors: 48,
  maxWriteZeroesSegments: 52,
  writeZeroesMayUnmap: 56,
} as const;

/** Bytes of the configuration space, up to the last field of a feature that is offered. */
export const CONFIG_SIZE = 60;

/** What the configuration space tells of a disk. */
export interface DiskGeometry {
  /** Bytes, a multiple of 512. */
  readonly capacity: number;
  /** The logical block size in bytes: 512 or 4096. */
  readonly blockSize: number;
  /** The block size that the host likes best, in bytes: a power of two, at least `blockSize`. */
  readonly physicalBlockSize: number;
  /** Whether the write cache is on at first. */
  readonly writeback: boolean;
  readonly queues: number;
  /** Whether blocks can be given back to the host. */
  readonly discard: boolean;
}

/** The configuration space at first. */
export function encodeConfig(disk: DiskGeometry): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(CONFIG_SIZE);
  const view = new DataView(bytes.buffer);
  const blocks = disk.physicalBlockSize / disk.blockSize;
  bytes.set(encodeCapacity(disk.capacity), ConfigOffset.capacity);
  // A driver may not use indirect tables: then header, data and status share the queue (2.7.5.3.1).
  view.setUint32(ConfigOffset.segMax, QUEUE_SIZE - 2, true);
  view.setUint32(ConfigOffset.blockSize, disk.blockSize, true);
  view.setUint8(ConfigOffset.physicalBlockExponent, Math.log2(blocks));
  view.setUint16(ConfigOffset.minIoSize, blocks, true);
  view.setUint8(ConfigOffset.writeback, disk.writeback ? 1 : 0);
  view.setUint16(ConfigOffset.queueCount, disk.queues, true);
  if (disk.discard) {
    view.setUint32(ConfigOffset.maxDiscardSectors, MAX_SEGMENT_SECTORS, true);
    view.setUint32(ConfigOffset.maxDiscardSegments, MAX_DISCARD_SEGMENTS, true);
    const alignment = disk.physicalBlockSize / SECTOR_SIZE;
    view.setUint32(ConfigOffset.discardSectorAlignment, alignment, true);
  }
  view.setUint32(ConfigOffset.maxWriteZeroesSectors, MAX_SEGMENT_SECTORS, true);
  view.setUint32(ConfigOffset.maxWriteZeroesSegments, MAX_ZERO_SEGMENTS, true);
  view.setUint8(ConfigOffset.writeZeroesMayUnmap, disk.discard ? 1 : 0);
  return bytes;
}

/** The configuration's capacity field: sectors as a le64. @param capacity bytes */
export function encodeCapacity(capacity: number): Uint8Array<ArrayBuffer> {
  const field = new Uint8Array(8);
  new DataView(field.buffer).setBigUint64(0, BigInt(Math.floor(capacity / SECTOR_SIZE)), true);
  return field;
}
