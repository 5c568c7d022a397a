/**
 * Network cards with a fake at the host's end, for what no tap does on demand.
 * @module
 */
import assert from "node:assert/strict";
import {
  bufferAddress,
  EAGAIN,
  EPERM,
  type Fd,
  IoVectors,
  readv,
  socketPair,
  SysError,
} from "../../../../src/ffi/mod.ts";
import type { LimitValues } from "../../../limits/mod.ts";
import type { VirtioModule } from "../../module.ts";
import { DeviceRig, type SavedRig } from "../../testing/rig.ts";
import type { NetBackend } from "../backend.ts";
import { netConfig } from "../config.ts";
import { NET_METRICS } from "../counters.ts";
import { NetDevice } from "../device.ts";
import { offeredFeatures } from "../features.ts";
import { net } from "../mod.ts";
import { DescriptorPort } from "../tap.ts";
import { join, macBytes } from "./packets.ts";
import { GUEST_MAC } from "./taps.ts";

/** A host's end that notes what it is asked for, with ports of sockets. */
export class FakeBackend implements NetBackend, Disposable {
  readonly name = "a fake";
  readonly ports: readonly FakePort[];
  used: number;
  offloads = 0;
  carrier = true;
  /** Whether it refuses all wishes. */
  refuses = false;

  constructor(ports: number) {
    this.ports = Array.from({ length: ports }, () => new FakePort());
    this.used = ports;
  }

  usePorts(count: number): void {
    this.#check();
    this.used = count;
  }

  setOffloads(flags: number): void {
    this.#check();
    this.offloads = flags;
  }

  setCarrier(up: boolean): void {
    this.#check();
    this.carrier = up;
  }

  #check(): void {
    if (this.refuses) throw new SysError("ioctl", EPERM, this.name);
  }

  [Symbol.dispose](): void {
    for (const port of this.ports) port[Symbol.dispose]();
  }
}

/** A port whose packets are written to a socket, and which can be out of room. */
export class FakePort extends DescriptorPort implements Disposable {
  /** How many packets it was given. */
  packets = 0;
  readonly #near: Fd;
  readonly #far: Fd;
  #blocked = 0;

  constructor() {
    const [near, far] = socketPair("a fake port");
    super(near.raw);
    this.#near = near;
    this.#far = far;
  }

  override write(vectors: IoVectors, count: number): number {
    if (this.#blocked > 0) return -EAGAIN;
    this.packets++;
    return super.write(vectors, count);
  }

  /** Fills the socket, so that it isn't writable until {@linkcode take}. */
  block(): void {
    const bytes = new SharedArrayBuffer(1 << 16);
    const vectors = new IoVectors(1);
    vectors.set(0, bufferAddress(bytes), bytes.byteLength);
    for (let sent = 0; sent >= 0; sent = super.write(vectors, 1)) this.#blocked += sent;
  }

  /** Takes what was written, without what filled the socket. */
  take(): Uint8Array {
    const bytes = new SharedArrayBuffer(1 << 20);
    const vectors = new IoVectors(1);
    vectors.set(0, bufferAddress(bytes), bytes.byteLength);
    const taken: Uint8Array[] = [];
    for (;;) {
      const length = readv(this.#far.raw, vectors, 1);
      if (length === -EAGAIN) break;
      assert(length > 0);
      taken.push(new Uint8Array(bytes, 0, length).slice());
    }
    const all = join(...taken).slice(this.#blocked);
    this.#blocked = 0;
    return all;
  }

  /** Ends the host's side. */
  end(): void {
    this.#far.close();
  }

  [Symbol.dispose](): void {
    this.#near.close();
    this.#far.close();
  }
}

/** A card with a fake at its other end, which lives as long as the card. */
export function fakeCard(
  backend: FakeBackend,
  saved?: SavedRig,
  limits: LimitValues = {},
): DeviceRig {
  const pairs = backend.ports.length;
  const mac = macBytes(GUEST_MAC);
  const parameters = { mac, mtu: 1500, limits };
  const description = {
    kind: "net",
    deviceType: 1,
    features: offeredFeatures({ offload: true, uso: true, pairs, mtu: 1500 }),
    queueSizes: new Array<number>(2 * pairs + 1).fill(64),
    config: netConfig(mac, pairs, 1500),
    metrics: NET_METRICS,
    backend: parameters,
  };
  const module: VirtioModule = {
    ...net,
    create: () => description,
    open(_, context) {
      const device = new NetDevice(context, backend, parameters);
      const close = device.close.bind(device);
      device.close = () => {
        close();
        backend[Symbol.dispose]();
      };
      return device;
    },
  };
  return DeviceRig.open(module, description, { saved });
}
