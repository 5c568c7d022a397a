/**
 * The socket device: stream sockets between programs in the guest and programs on the host (virtio 1.2, 5.10).
 *
 * The host's side is Firecracker's convention, so that what works there works here:
 *
 * - A program on the host connects to the Unix socket `uds`, writes `CONNECT 52\n`, and is connected to port 52 of
 *   the guest when it reads `OK 1073741824\n` (the port that stands for it); the connection is closed where nobody
 *   listens in the guest, or nobody answers for two seconds. It has 30 seconds and 32 bytes for its line. While
 *   there is no driver it is closed at once; while the machine is paused it waits.
 * - A program in the guest connects to port 52 of context id 2, and is connected to whoever listens at the Unix
 *   socket `uds` with `_52` behind it.
 *
 * Half close works in both directions. A program on the host that closes its socket instead is noticed as soon as
 * the host does: the guest can't send any more, and gets the rest of what was sent to it. What a guest has sent
 * before it closed is the host's, however slowly it reads. Beyond the number of connections that `connections`
 * gives, the guest is refused and clients of the host are closed. Datagrams and SOCK_SEQPACKET are refused.
 *
 * A machine that goes on from a snapshot has no connections any more; the driver is told.
 *
 * Threat tables are in `device.ts` (queues), `switch.ts` (packets) and `connection.ts` (one connection).
 * @module
 */
import { changeLimits, type LimitValues } from "../../limits/mod.ts";
import { bit } from "../features.ts";
import {
  type CreateContext,
  type DeviceContext,
  DeviceError,
  type VirtioDescription,
  type VirtioModule,
} from "../module.ts";
import { OptionsError } from "../../options.ts";
import { VSOCK_METRICS } from "./counters.ts";
import { configuration, DIRECTIONS, QUEUE_SIZES, VsockDevice } from "./device.ts";
import { SocketListener, type SocketPurpose } from "../host/socket_listener.ts";
import { VSOCK_OPTIONS, type VsockOptions } from "./options.ts";
import { UnixHost } from "./unix_host.ts";

/** The device's number (virtio 1.2, 5). */
const VIRTIO_ID_VSOCK = 19;
/** Stream sockets are supported (5.10.3). */
const VIRTIO_VSOCK_F_STREAM = 0;

/** What the core of a socket device is opened with. */
export interface VsockDescription {
  readonly cid: number;
  readonly uds: string;
  /** The descriptor that listens at `uds`. */
  readonly listener: number;
  readonly connections: number;
  readonly limits: LimitValues;
}

/** What the socket at its user's path is for; the longest port of the host's is put behind it. */
export const SOCKET_PURPOSE: SocketPurpose = {
  owner: "the vsock device",
  suffix: { shape: "_PORT", length: "_4294967294".length },
};

/** Makes and opens socket devices. */
export const vsock: VirtioModule<typeof VSOCK_OPTIONS, VsockDescription> = {
  kind: "vsock",
  options: VSOCK_OPTIONS,

  create(options: VsockOptions, context: CreateContext): VirtioDescription<VsockDescription> {
    const { cid, uds, connections } = options;
    const limits = readLimits(options);
    const listener = context.own(new SocketListener(uds, SOCKET_PURPOSE));
    return {
      kind: "vsock",
      deviceType: VIRTIO_ID_VSOCK,
      features: bit(VIRTIO_VSOCK_F_STREAM),
      queueSizes: QUEUE_SIZES,
      config: configuration(cid),
      metrics: VSOCK_METRICS,
      backend: { cid, uds, listener: listener.raw, connections, limits },
    };
  },

  open({ backend }: VirtioDescription<VsockDescription>, context: DeviceContext): VsockDevice {
    const { io } = context;
    const { listener, uds: path } = backend;
    const log = (message: string) => context.log(message);
    return new VsockDevice(
      context,
      backend,
      (client) => new UnixHost({ listener, path, io, log }, client),
    );
  },
};

/** The limits among all options. @throws {DeviceError} */
function readLimits(options: VsockOptions): LimitValues {
  try {
    return changeLimits(options, {}, DIRECTIONS, "packets");
  } catch (error) {
    if (error instanceof OptionsError) throw new DeviceError(error.message, { cause: error });
    throw error;
  }
}
