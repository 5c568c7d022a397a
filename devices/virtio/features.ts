/**
 * The feature bits that all kinds of virtio devices share (virtio 1.2, 6), and the device status bits (2.1).
 * @module
 */

/** The driver can use indirect descriptors. */
export const VIRTIO_F_INDIRECT_DESC = 28;
/** Both sides say by index when they want to hear of progress. */
export const VIRTIO_F_EVENT_IDX = 29;
/** The device follows virtio 1.0 or later; a driver without it is refused. */
export const VIRTIO_F_VERSION_1 = 32;
/** Queues have the packed layout. */
export const VIRTIO_F_RING_PACKED = 34;

/** The device status field's bits. */
export const Status = {
  acknowledge: 1,
  driver: 2,
  driverOk: 4,
  featuresOk: 8,
  needsReset: 64,
  failed: 128,
} as const;

/** What every device offers on behalf of its queues. */
export const QUEUE_FEATURES: bigint = bit(VIRTIO_F_INDIRECT_DESC) | bit(VIRTIO_F_EVENT_IDX) |
  bit(VIRTIO_F_VERSION_1) | bit(VIRTIO_F_RING_PACKED);

/** A set of features with one bit. */
export function bit(feature: number): bigint {
  return 1n << BigInt(feature);
}

/** Whether a set of features has a bit. */
export function hasFeature(features: bigint, feature: number): boolean {
  return (features & bit(feature)) !== 0n;
}
