/**
 * The balloon's numbers and layouts (virtio 1.2, 5.5; linux/virtio_balloon.h).
 * @module
 */

/** The device's number. */
export const VIRTIO_ID_BALLOON = 5;

/** Pages of the balloon have 4096 bytes, whatever the guest's own have (5.5.6). */
export const BALLOON_PAGE = 4096;

/** Feature bits (5.5.3). */
export const VIRTIO_BALLOON_F_STATS_VQ = 1;
export const VIRTIO_BALLOON_F_DEFLATE_ON_OOM = 2;
export const VIRTIO_BALLOON_F_PAGE_REPORTING = 5;

/** Fields of the configuration (5.5.4), 32 bits each. */
export const ConfigOffset = { numPages: 0, actual: 4 } as const;
/** The configuration: the two fields, and those of features that are not offered. */
export const CONFIG_SIZE = 16;

/** What a statistic's tag means (5.5.6.4), by number; bytes unless the name says otherwise. */
export const STATISTICS = [
  "swapIn",
  "swapOut",
  "majorFaults",
  "minorFaults",
  "freeMemory",
  "totalMemory",
  "availableMemory",
  "diskCaches",
  "hugePageAllocations",
  "hugePageFailures",
] as const;

/** struct virtio_balloon_stat: a tag of 16 bits and a value of 64, packed. */
export const STATISTIC_SIZE = 10;
