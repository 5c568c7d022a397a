/**
 * The memory balloon: the guest gives pages up, and they go back to the host; what it needs again comes back as
 * zeroed pages when it is touched (virtio 1.2, 5.5).
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | which pages it gives up | each is its own RAM, or the device stops; only its own data is lost |
 * | how many, and how often | so many page numbers of a buffer, so many buffers in a turn of the event loop |
 * | its statistics | so many bytes are read; tags that nobody knows are skipped |
 * | how large it says the balloon is | it is shown, and nothing is concluded from it |
 *
 * A balloon is a favour of the guest's: one that doesn't give pages up keeps all of its memory.
 *
 * @module
 */
import { bit } from "../features.ts";
import { DeviceError, type VirtioModule } from "../module.ts";
import { type BalloonBackend, BalloonDevice } from "./device.ts";
import { BALLOON_OPTIONS } from "./options.ts";
import {
  BALLOON_PAGE,
  CONFIG_SIZE,
  ConfigOffset,
  VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
  VIRTIO_BALLOON_F_PAGE_REPORTING,
  VIRTIO_BALLOON_F_STATS_VQ,
  VIRTIO_ID_BALLOON,
} from "./protocol.ts";

const QUEUE_SIZE = 128;

/** The balloon. */
export const balloon: VirtioModule<typeof BALLOON_OPTIONS, BalloonBackend> = {
  kind: "balloon",
  options: BALLOON_OPTIONS,

  create(options, { memorySize }) {
    const { size, stats } = options;
    if (size > memorySize) {
      throw new DeviceError(
        `balloon: size: the guest has ${memorySize} bytes of memory, and can't give back ${size}`,
      );
    }
    const reports = options["free-page-reporting"];
    const features = [
      ...options["deflate-on-oom"] === "on" ? [VIRTIO_BALLOON_F_DEFLATE_ON_OOM] : [],
      ...stats > 0 ? [VIRTIO_BALLOON_F_STATS_VQ] : [],
      ...reports ? [VIRTIO_BALLOON_F_PAGE_REPORTING] : [],
    ];
    const config = new Uint8Array(CONFIG_SIZE);
    const pages = Math.floor(size / BALLOON_PAGE);
    new DataView(config.buffer).setUint32(ConfigOffset.numPages, pages, true);
    const queues = 2 + (stats > 0 ? 1 : 0) + (reports ? 1 : 0);
    return {
      kind: "balloon",
      deviceType: VIRTIO_ID_BALLOON,
      features: features.reduce((all, feature) => all | bit(feature), 0n),
      queueSizes: Array.from({ length: queues }, () => QUEUE_SIZE),
      config,
      writableConfig: [{ offset: ConfigOffset.actual, size: 4 }],
      metrics: [
        "target",
        "actual",
        "inflations",
        "deflations",
        "reports",
        "statistics",
        "discarded",
        "refused",
      ],
      backend: { statsInterval: stats * 1000, memorySize },
    };
  },

  open: (description, context) => new BalloonDevice(description, context),
};
