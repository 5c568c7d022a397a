/**
 * The block device (virtio 1.2, 5.2): a raw image or block device of the host, or some of its memory, as a disk of
 * the guest's.
 * @module
 */
import { rateLimits } from "../../limits/mod.ts";
import { bit } from "../features.ts";
import type { CreateContext, VirtioDescription, VirtioModule } from "../module.ts";
import { BLOCK_COUNTERS } from "./counters.ts";
import { BlockDevice } from "./device.ts";
import type { BlockBackend } from "./disk.ts";
import { openImage } from "./image.ts";
import { BLOCK_OPTIONS, type BlockOptions } from "./options.ts";
import {
  ConfigOffset,
  DEVICE_TYPE,
  encodeConfig,
  Feature,
  ID_SIZE,
  QUEUE_SIZE,
} from "./protocol.ts";

export type { BlockBackend } from "./disk.ts";
export * from "./fault_rules.ts";
export { BLOCK_OPTIONS, type BlockOptions, CACHE_MODES, type CacheMode } from "./options.ts";

/** Queues beyond this number bring nothing: one thread serves them all. */
const MOST_QUEUES_UNASKED = 4;

/** Disks. */
export const block: VirtioModule<typeof BLOCK_OPTIONS, BlockBackend> = {
  kind: "block",
  options: BLOCK_OPTIONS,

  create(options, context) {
    // Refuses a burst without a limit before anything is opened.
    rateLimits(options);
    return describe(options, context);
  },

  open: (description, context) =>
    new BlockDevice(description.backend, description.queueSizes.length, context),
};

function describe(
  options: BlockOptions,
  context: CreateContext,
): VirtioDescription<BlockBackend> {
  const image = openImage(options);
  context.own(image.fd);
  const queues = options.queues ?? Math.min(context.cpus, MOST_QUEUES_UNASKED);
  const { cache } = options;
  const blockSize = options.sector;
  const backend: BlockBackend = {
    path: image.name,
    fd: image.fd.raw,
    kind: image.kind,
    readOnly: options.ro,
    blockSize,
    granularity: image.granularity,
    alignment: image.alignment,
    cache,
    discard: image.discard,
    serial: options.serial ?? context.id.slice(0, ID_SIZE),
    limits: {
      bandwidth: options.bandwidth,
      "bandwidth-burst": options["bandwidth-burst"],
      iops: options.iops,
      "iops-burst": options["iops-burst"],
    },
    faults: options.faults ?? [],
  };
  const config = encodeConfig({
    capacity: image.size,
    blockSize,
    physicalBlockSize: Math.max(blockSize, image.granularity),
    writeback: cache !== "writethrough",
    queues,
    discard: backend.discard,
  });
  return {
    kind: block.kind,
    deviceType: DEVICE_TYPE,
    features: featuresOf(backend, queues),
    queueSizes: Array.from({ length: queues }, () => QUEUE_SIZE),
    config,
    writableConfig: hasWriteCache(backend) ? [{ offset: ConfigOffset.writeback, size: 1 }] : [],
    metrics: BLOCK_COUNTERS,
    backend,
  };
}

function featuresOf(backend: BlockBackend, queues: number): bigint {
  let features = bit(Feature.segMax) | bit(Feature.blockSize) | bit(Feature.topology) |
    bit(Feature.flush);
  if (queues > 1) features |= bit(Feature.multiQueue);
  if (hasWriteCache(backend)) features |= bit(Feature.configWce);
  if (backend.readOnly) return features | bit(Feature.readOnly);
  if (backend.discard) features |= bit(Feature.discard);
  return features | bit(Feature.writeZeroes);
}

/** Whether the driver may switch the write cache: where a write is said to be safe, it has to be. */
function hasWriteCache(backend: BlockBackend): boolean {
  return !backend.readOnly && backend.cache !== "unsafe";
}
