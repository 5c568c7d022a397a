/**
 * The core of a network device: a cable between the guest's driver and the host.
 *
 * It passes on every packet that reaches it, whatever its addresses: it offers no filters (VIRTIO_NET_F_CTRL_RX), and
 * doesn't check a sender's address. Both are for the bridge or the rules of the host's interface.
 *
 * Threat table; those of the queues are in receive_buffers.ts, transmitter.ts and control.ts:
 *
 * | the guest controls                       | what bounds it                                                      |
 * | ---------------------------------------- | ------------------------------------------------------------------- |
 * | which features it accepts, unrelated     | what the host is told is made consistent first                      |
 * | which queues it sets up, and their sizes | a queue that isn't there is not served                              |
 * | how many pairs it uses                   | from one to what was offered                                        |
 * | its address                              | it is written to the configuration, and used nowhere else           |
 * | how fast it sends                        | the limits; a turn's worth at a time                                |
 *
 * All state belongs to the isolate that runs it.
 *
 * Source: virtio 1.2, 5.1.
 * @module
 */
import { errnoName, type IoTimer, SysError } from "../../../src/ffi/mod.ts";
import {
  changeLimits,
  type LimitValues,
  RateLimiter,
  rateLimits,
  showLimits,
} from "../../limits/mod.ts";
import { readFaults } from "../../faults/mod.ts";
import { type DeviceState, DeviceStateError, StateReader } from "../../state.ts";
import { hasFeature } from "../features.ts";
import { type DeviceContext, DeviceError, type VirtioDevice } from "../module.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import type { NetBackend, QueueContext } from "./backend.ts";
import {
  CONFIG_MAC,
  CONFIG_STATUS,
  VIRTIO_NET_S_ANNOUNCE,
  VIRTIO_NET_S_LINK_UP,
} from "./config.ts";
import { ControlQueue, type ControlTarget } from "./control.ts";
import { NET_FAULTS, type NetFault } from "./fault_rules.ts";
import { NetFaults } from "./faults.ts";
import { FaultyPort } from "./faulty_port.ts";
import * as net from "./features.ts";
import { isCardAddress, MAC_SIZE } from "./mac.ts";
import { LIMIT_PREFIXES } from "./options.ts";
import { HEADER_SIZE, LINK_HEADER_MAX, ORDINARY_PACKET, PACKET_MAX } from "./packet.ts";
import { Receiver, type ReceiveTerms } from "./receiver.ts";
import { Transmitter } from "./transmitter.ts";

const KIND = "net";
const STATE_VERSION = 1;

/** What a device is made with. */
export interface NetParameters {
  readonly mac: Uint8Array;
  /** The largest packet, if the driver is told. */
  readonly mtu: number | undefined;
  /** By the names of the options. */
  readonly limits: LimitValues;
  /** What goes wrong from the beginning; nothing when left out. */
  readonly faults?: readonly NetFault[];
}

/** One network card. */
export class NetDevice implements VirtioDevice, ControlTarget {
  readonly #context: DeviceContext;
  readonly #backend: NetBackend;
  readonly #parameters: NetParameters;
  readonly #receiveLimiter: RateLimiter;
  readonly #transmitLimiter: RateLimiter;
  readonly #receivers: readonly Receiver[];
  readonly #transmitters: readonly Transmitter[];
  readonly #faults: NetFaults;
  readonly #ports: readonly FaultyPort[];
  readonly #control: ControlQueue;
  readonly #lostTimer: IoTimer;
  #limits: LimitValues;
  #link = true;
  /** Whether the host's end is gone, and what it failed with. */
  #lost: number | undefined;
  #features = 0n;
  /** The control queue's number; -1 without. */
  #controlQueue = -1;
  #terms: ReceiveTerms = { merge: false, limit: PACKET_MAX, target: 1 };
  // What the driver has chosen.
  #mac: Uint8Array;
  #pairs = 1;
  /** Undefined until the driver is known. */
  #offloads: bigint | undefined;
  /** Whether the driver is to make itself known. */
  #announce = false;

  constructor(context: DeviceContext, backend: NetBackend, parameters: NetParameters) {
    const { limits, mac } = parameters;
    const { io, memory, metrics } = context;
    this.#context = context;
    this.#backend = backend;
    this.#parameters = parameters;
    this.#limits = limits;
    this.#mac = mac;
    this.#receiveLimiter = new RateLimiter(rateLimits(limits, "rx-"), io.now);
    this.#transmitLimiter = new RateLimiter(rateLimits(limits, "tx-"), io.now);
    const shared: Omit<QueueContext, "limiter"> = {
      memory,
      io,
      metrics,
      lost: (errno) => this.#noteLoss(errno),
    };
    const receive = { ...shared, limiter: this.#receiveLimiter };
    const transmit = { ...shared, limiter: this.#transmitLimiter };
    this.#faults = new NetFaults(metrics);
    this.#ports = backend.ports.map((port) => new FaultyPort(port, io, this.#faults));
    this.#receivers = this.#ports.map((port) => {
      const receiver = new Receiver(receive, port);
      port.arrived = () => receiver.arrived();
      return receiver;
    });
    this.#transmitters = this.#ports.map((port) => new Transmitter(transmit, port));
    this.#setFaults(parameters.faults ?? []);
    this.#control = new ControlQueue(context, this);
    this.#lostTimer = io.timer(() => this.#lose());
    backend.usePorts(1);
  }

  start(queues: readonly (Virtqueue | undefined)[], features: bigint): void {
    this.#features = features;
    const multiple = this.#has(net.VIRTIO_NET_F_MQ);
    const merge = this.#has(net.VIRTIO_NET_F_MRG_RXBUF);
    const mtu = this.#has(net.VIRTIO_NET_F_MTU) ? this.#parameters.mtu : undefined;
    const limit = mtu === undefined ? PACKET_MAX : HEADER_SIZE + LINK_HEADER_MAX + mtu;
    this.#terms = { merge, limit, target: 1 };
    const offloads = (this.#offloads ?? features) & features & net.GUEST_OFFLOADS;
    this.#tellHost(() => this.#backend.setOffloads(net.tunOffloads(offloads)));
    this.#takeOffloads(offloads);
    const pairs = multiple ? this.#receivers.length : 1;
    for (let pair = 0; pair < pairs; pair++) {
      const [receive, transmit] = [queues[2 * pair], queues[2 * pair + 1]];
      if (receive !== undefined) this.#receivers[pair].start(receive, this.#terms);
      if (transmit !== undefined) this.#transmitters[pair].start(transmit);
    }
    this.#controlQueue = this.#has(net.VIRTIO_NET_F_CTRL_VQ) ? 2 * pairs : -1;
    const control = this.#controlQueue < 0 ? undefined : queues[this.#controlQueue];
    if (control !== undefined) this.#control.start(control);
    this.#usePairs(this.#pairs);
    if (this.#announce) this.#updateStatus();
    for (const port of this.#ports) port.resume();
  }

  kick(queue: number): void {
    if (queue === this.#controlQueue) return this.#control.kick();
    const pair = queue >> 1;
    if (pair >= this.#receivers.length) return;
    if ((queue & 1) === 0) this.#receivers[pair].kick();
    else this.#transmitters[pair].kick();
  }

  stop(gone: boolean): void {
    for (const port of this.#ports) port.stop(gone);
    for (const receiver of this.#receivers) receiver.stop();
    for (const transmitter of this.#transmitters) transmitter.stop();
    this.#control.stop();
    this.#controlQueue = -1;
  }

  reset(): void {
    this.#features = 0n;
    this.#offloads = undefined;
    this.#usePairs(1);
    this.#putMac(this.#parameters.mac);
    this.#announce = false;
    this.#updateStatus();
  }

  /**
   * `"faults"`: see {@linkcode NetFault}; without an argument, only tells. `"limits"`: see {@linkcode changeLimits}.
   * `"link"`: `"up"` or `"down"`, as if a cable was plugged in or out.
   */
  command(name: string, argument: unknown): unknown {
    if (name === "faults") {
      if (argument !== undefined && argument !== null) {
        this.#setFaults(readFaults(NET_FAULTS, argument));
      }
      return this.#faults.show();
    }
    if (name === "limits") return this.#setLimits(argument);
    if (name === "link") return this.#plug(argument);
    throw new DeviceError(
      `a network card has no command "${name}"; it has faults, limits and link`,
    );
  }

  save(): DeviceState {
    const offloads = this.#offloads ?? 0n;
    return {
      version: STATE_VERSION,
      link: this.#link ? 1 : 0,
      mac: Array.from(this.#mac),
      pairs: this.#pairs,
      driverKnown: this.#offloads === undefined ? 0 : 1,
      offloadsLow: Number(offloads & 0xffff_ffffn),
      offloadsHigh: Number(offloads >> 32n),
    };
  }

  restore(state: DeviceState): void {
    const reader = new StateReader(KIND, STATE_VERSION, state);
    const link = reader.integer("link", 0, 1) === 1;
    const mac = reader.bytes("mac", MAC_SIZE, MAC_SIZE);
    const pairs = reader.integer("pairs", 1, this.#receivers.length);
    const driverKnown = reader.integer("driverKnown", 0, 1) === 1;
    const low = reader.integer("offloadsLow", 0, 0xffff_ffff);
    const high = reader.integer("offloadsHigh", 0, 0xffff_ffff);
    reader.finish();
    if (!isCardAddress(mac)) throw new DeviceStateError(KIND, `field "mac" is no card's address`);
    this.#putMac(mac);
    this.#pairs = pairs;
    this.#offloads = driverKnown ? BigInt(high) << 32n | BigInt(low) : undefined;
    // The network may have known the guest elsewhere.
    this.#announce = driverKnown;
    if (link !== this.#link) this.#setLink(link);
  }

  close(): void {
    this.#lostTimer.clear();
    for (const receiver of this.#receivers) receiver.close();
    for (const transmitter of this.#transmitters) transmitter.close();
    for (const port of this.#ports) port.close();
  }

  setMac(mac: Uint8Array): boolean {
    if (!this.#has(net.VIRTIO_NET_F_CTRL_MAC_ADDR) || !isCardAddress(mac)) return false;
    this.#putMac(mac.slice());
    return true;
  }

  announced(): boolean {
    if (!this.#has(net.VIRTIO_NET_F_GUEST_ANNOUNCE)) return false;
    this.#announce = false;
    this.#updateStatus();
    return true;
  }

  setPairs(pairs: number): boolean {
    if (!this.#has(net.VIRTIO_NET_F_MQ)) return false;
    if (pairs < 1 || pairs > this.#receivers.length) return false;
    return this.#granted(() => this.#backend.usePorts(pairs)) && this.#takePairs(pairs);
  }

  setOffloads(offloads: bigint): boolean {
    if (!this.#has(net.VIRTIO_NET_F_CTRL_GUEST_OFFLOADS)) return false;
    if ((offloads & ~(this.#features & net.GUEST_OFFLOADS)) !== 0n) return false;
    return this.#granted(() => this.#backend.setOffloads(net.tunOffloads(offloads))) &&
      this.#takeOffloads(offloads);
  }

  #has(feature: number): boolean {
    return hasFeature(this.#features, feature);
  }

  /** Does what the host may refuse; the driver is told, and goes on as before. */
  #granted(change: () => void): boolean {
    try {
      change();
      return true;
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      this.#context.log(`the driver is refused what it asks for: ${error.message}`);
      return false;
    }
  }

  /** Does what only a host's end that is gone refuses. */
  #tellHost(change: () => void): void {
    if (this.#lost !== undefined) return;
    try {
      change();
    } catch (error) {
      if (!(error instanceof SysError)) throw error;
      this.#noteLoss(error.errno);
    }
  }

  #takeOffloads(offloads: bigint): true {
    this.#offloads = offloads;
    const { merge, limit } = this.#terms;
    const largest = net.takesLargePackets(offloads) ? PACKET_MAX : Math.min(limit, ORDINARY_PACKET);
    // One buffer has to hold a packet where it can't be spread over several.
    this.#terms.target = merge ? largest : 1;
    return true;
  }

  #takePairs(pairs: number): true {
    this.#pairs = pairs;
    this.#enable();
    return true;
  }

  #usePairs(pairs: number): void {
    const used = this.#has(net.VIRTIO_NET_F_MQ) ? pairs : 1;
    this.#tellHost(() => this.#backend.usePorts(used));
    this.#takePairs(used);
  }

  #enable(): void {
    for (const [pair, receiver] of this.#receivers.entries()) {
      const enabled = this.#link && pair < this.#pairs;
      receiver.enable(enabled);
      this.#transmitters[pair].enable(enabled);
    }
  }

  #putMac(mac: Uint8Array): void {
    this.#mac = mac;
    const { config } = this.#context;
    const shown = config.bytes;
    if (mac.some((byte, i) => shown[CONFIG_MAC + i] !== byte)) config.update(CONFIG_MAC, mac);
  }

  #updateStatus(): void {
    const announce = this.#announce && this.#has(net.VIRTIO_NET_F_GUEST_ANNOUNCE);
    const status = (this.#link ? VIRTIO_NET_S_LINK_UP : 0) | (announce ? VIRTIO_NET_S_ANNOUNCE : 0);
    const { config } = this.#context;
    if (config.bytes[CONFIG_STATUS] === status) return;
    config.update(CONFIG_STATUS, Uint8Array.of(status, 0));
  }

  #setFaults(faults: readonly NetFault[]): void {
    if (faults.length > 0) { for (const port of this.#ports) port.prepare(); }
    this.#faults.set(faults);
    for (const port of this.#ports) port.changed();
  }

  #setLimits(wish: unknown): unknown {
    this.#limits = changeLimits(this.#limits, wish, LIMIT_PREFIXES);
    const { now } = this.#context.io;
    this.#receiveLimiter.set(rateLimits(this.#limits, "rx-"), now);
    this.#transmitLimiter.set(rateLimits(this.#limits, "tx-"), now);
    for (const receiver of this.#receivers) receiver.limitsChanged();
    for (const transmitter of this.#transmitters) transmitter.limitsChanged();
    return showLimits(this.#limits);
  }

  #plug(wish: unknown): unknown {
    if (wish !== "up" && wish !== "down") throw new DeviceError(`a link is "up" or "down"`);
    if (wish === "up" && this.#lost !== undefined) {
      throw new DeviceError(
        `${this.#backend.name} is gone; restart the machine to get a link again`,
      );
    }
    const up = wish === "up";
    if (up !== this.#link) this.#setLink(up);
    return { link: wish };
  }

  #setLink(up: boolean): void {
    this.#tellHost(() => this.#backend.setCarrier(up));
    this.#link = up;
    this.#updateStatus();
    this.#enable();
  }

  /** Is told from amid the work of a queue, and so only notes it. */
  #noteLoss(errno: number): void {
    if (this.#lost !== undefined) return;
    this.#lost = errno;
    this.#lostTimer.set(0);
  }

  /** What is left of a cable whose other end is gone. */
  #lose(): void {
    const reason = this.#lost ? errnoName(this.#lost) : "it has ended";
    this.#context.log(`${this.#backend.name} is gone (${reason}): the link is down for good`);
    if (this.#link) this.#setLink(false);
  }
}
