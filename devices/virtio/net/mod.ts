/**
 * Network cards: virtio network devices, each with a tap interface of the host.
 * @module
 */
import { changeLimits, type LimitValues } from "../../limits/mod.ts";
import type { CreateContext, DeviceContext, VirtioDescription, VirtioModule } from "../module.ts";
import { netConfig } from "./config.ts";
import { NET_METRICS } from "./counters.ts";
import { NetDevice } from "./device.ts";
import type { NetFault } from "./fault_rules.ts";
import { offeredFeatures } from "./features.ts";
import { machineMac, parseMac } from "./mac.ts";
import { openTapQueues, probeOffloads } from "./open_tap.ts";
import { LIMIT_PREFIXES, NET_OPTIONS, type NetOptions } from "./options.ts";
import { TapBackend } from "./tap.ts";

export * from "./fault_rules.ts";

/** The device's number (virtio 1.2, 5). */
const VIRTIO_ID_NET = 1;
/** Descriptors of a receive or transmit queue. */
const QUEUE_SIZE = 256;
const CONTROL_QUEUE_SIZE = 64;

/** What the core of a network card is opened with. */
export interface NetDescription {
  /** The tap's name. */
  readonly tap: string;
  /** A descriptor for each queue of it. */
  readonly fds: readonly number[];
  readonly mac: Uint8Array;
  readonly mtu: number | undefined;
  readonly limits: LimitValues;
  readonly faults: readonly NetFault[];
}

/** Makes and opens network cards. */
export const net: VirtioModule<typeof NET_OPTIONS, NetDescription> = {
  kind: "net",
  options: NET_OPTIONS,

  create(options: NetOptions, context: CreateContext): VirtioDescription<NetDescription> {
    const { tap, queues, mtu, offload, faults = [] } = options;
    const limits = changeLimits(options, {}, LIMIT_PREFIXES);
    const fds = openTapQueues(tap, queues, context.own);
    const uso = offload && probeOffloads(fds[0], tap);
    const mac = parseMac(options.mac ?? "") ?? machineMac(context.id, tap);
    const pair = [QUEUE_SIZE, QUEUE_SIZE];
    return {
      kind: "net",
      deviceType: VIRTIO_ID_NET,
      features: offeredFeatures({ offload, uso, pairs: queues, mtu }),
      queueSizes: [...Array.from({ length: queues }, () => pair).flat(), CONTROL_QUEUE_SIZE],
      config: netConfig(mac, queues, mtu ?? 0),
      metrics: NET_METRICS,
      backend: { tap, fds, mac, mtu, limits, faults },
    };
  },

  open({ backend }: VirtioDescription<NetDescription>, context: DeviceContext): NetDevice {
    return new NetDevice(context, new TapBackend(backend.tap, backend.fds), backend);
  },
};
