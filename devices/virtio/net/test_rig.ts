/**
 * What the tests of network cards share: taps with addresses, and packets.
 * @module
 */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import {
  bufferAddress,
  EAGAIN,
  EPERM,
  type Fd,
  IoVectors,
  readv,
  socketPair,
  SysError,
} from "../../../src/ffi/mod.ts";
import type { LimitValues } from "../../limits/mod.ts";
import type { VirtioModule } from "../module.ts";
import { DeviceRig, type SavedRig } from "../testing/rig.ts";
import type { NetBackend } from "./backend.ts";
import { netConfig } from "./config.ts";
import { NET_METRICS } from "./counters.ts";
import { NetDevice } from "./device.ts";
import { offeredFeatures } from "./features.ts";
import { net } from "./mod.ts";
import { HEADER_SIZE } from "./packet.ts";
import { DescriptorPort } from "./tap.ts";

/** The fake guest's address on every card. */
export const GUEST_MAC = "52:54:00:12:34:56";

let made = 0;

/** A name that no other test, in this process or another, gives an interface. */
function newName(): string {
  return `nv${Deno.pid.toString(36)}t${made++}`;
}

function ip(args: string[], mayFail = false): boolean {
  let output;
  try {
    output = new Deno.Command("ip", { args }).outputSync();
  } catch (error) {
    if (mayFail && error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  const { success, stderr } = output;
  assert(success || mayFail, `ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return success;
}

/** Whether this user can make taps; tests that need one are ignored otherwise. */
export const CAN_MAKE_TAPS = canMakeTaps();

function canMakeTaps(): boolean {
  const name = newName();
  if (!ip(["tuntap", "add", "dev", name, "mode", "tap"], true)) return false;
  return ip(["link", "del", name]);
}

/** A persistent tap with an address, on which nobody speaks who isn't asked to. */
export class TestTap implements Disposable {
  readonly name: string;
  /** The host's address on it, and the guest's. */
  readonly hostIp: string;
  readonly guestIp: string;
  readonly hostMac: Uint8Array;

  constructor(options: { multiQueue?: boolean; mtu?: number } = {}) {
    this.name = newName();
    // One of the 32768 networks of four addresses that are set aside for such tests (RFC 2544).
    const network = Math.floor(Math.random() * 0x8000) * 4;
    const address = (host: number) => {
      const at = network + host;
      return `198.${18 + (at >> 16)}.${at >> 8 & 0xff}.${at & 0xff}`;
    };
    [this.hostIp, this.guestIp] = [address(1), address(2)];
    const { name: dev } = this;
    const mode = options.multiQueue ? ["multi_queue"] : [];
    ip(["tuntap", "add", "dev", dev, "mode", "tap", ...mode]);
    try {
      Deno.writeTextFileSync(`/proc/sys/net/ipv6/conf/${dev}/disable_ipv6`, "1");
      ip(["link", "set", dev, "mtu", String(options.mtu ?? 1500), "up"]);
      ip(["address", "add", `${this.hostIp}/30`, "dev", dev]);
      ip(["neighbour", "add", this.guestIp, "lladdr", GUEST_MAC, "dev", dev, "nud", "permanent"]);
      const text = Deno.readTextFileSync(`/sys/class/net/${dev}/address`).trim();
      this.hostMac = Uint8Array.from(text.split(":"), (byte) => parseInt(byte, 16));
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Has the host pass on what comes from this tap for another's network. */
  forward(): void {
    Deno.writeTextFileSync(`/proc/sys/net/ipv4/conf/${this.name}/forwarding`, "1");
  }

  /** Has the host forget the guest's address, so that it has to ask. */
  forgetGuest(): void {
    ip(["neighbour", "del", this.guestIp, "dev", this.name]);
  }

  /** Sets the interface up or down. */
  set(state: "up" | "down"): void {
    ip(["link", "set", this.name, state]);
  }

  /** Whether the host sees a link. */
  get carrier(): boolean {
    return Deno.readTextFileSync(`/sys/class/net/${this.name}/carrier`).trim() === "1";
  }

  /**
   * Waits until the host sends on the tap, once somebody has opened it: the kernel looks at links that have come up
   * with a delay of up to a second, and drops what is sent before.
   */
  awaitLink(): void {
    const end = performance.now() + 5000;
    while (Deno.readTextFileSync(`/sys/class/net/${this.name}/operstate`).trim() !== "up") {
      assert(performance.now() < end, `the link of ${this.name} did not come up`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }

  /** Takes the interface away. */
  [Symbol.dispose](): void {
    ip(["link", "del", this.name], true);
  }
}

/** A UDP socket of the host's. */
export class HostSocket implements AsyncDisposable {
  readonly received: Uint8Array[] = [];
  readonly #socket: Socket;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", (bytes) => this.received.push(bytes));
  }

  /** A socket at an address of the host's, on any port. */
  static async bind(address: string): Promise<HostSocket> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, address, resolve);
    });
    return new HostSocket(socket);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Sends a datagram; resolves when the kernel has taken it, after which the next one stays behind it. */
  send(bytes: Uint8Array, port: number, address: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(bytes, port, address, (error) => error ? reject(error) : resolve());
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

/** Bytes that tell where they come from. */
export function pattern(length: number, seed = 0): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + seed) & 0xff);
}

/** One after the other. */
export function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** The header before a packet that needs nothing. */
export const PLAIN_HEADER = new Uint8Array(HEADER_SIZE);

export function be16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value);
}

function le16(value: number): Uint8Array {
  return Uint8Array.of(value, value >> 8);
}

/** The four bytes of an IPv4 address. */
export function ipBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split("."), Number);
}

export function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(":"), (byte) => parseInt(byte, 16));
}

/** The sum of 16-bit words with the carries added (RFC 1071), not inverted. */
export function sum16(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += part[i] << 8 | (part[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** An IPv4 packet in an Ethernet frame. */
export function frame(
  to: Uint8Array,
  from: Uint8Array,
  source: string,
  destination: string,
  protocol: number,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const header = join(
    Uint8Array.of(0x45, 0),
    be16(20 + payload.length),
    Uint8Array.of(0, 0, 0x40, 0, 64, protocol, 0, 0),
    ipBytes(source),
    ipBytes(destination),
  );
  header.set(be16(~sum16(header) & 0xffff), 10);
  return join(to, from, be16(0x0800), header, payload);
}

/** A datagram without a checksum in an Ethernet frame, as the guest sends it to the host. */
export function datagram(
  tap: TestTap,
  ports: { from: number; to: number },
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const udp = join(be16(ports.from), be16(ports.to), be16(8 + payload.length), be16(0), payload);
  return frame(tap.hostMac, macBytes(GUEST_MAC), tap.guestIp, tap.hostIp, 17, udp);
}

/** A large TCP segment to be cut by whoever sends it at last: header and frame, from one card to another. */
export function largeSegment(
  tap: TestTap,
  destination: string,
  payload: Uint8Array,
  gsoSize: number,
): Uint8Array<ArrayBuffer> {
  const length = 20 + payload.length;
  const tcp = join(
    be16(1000),
    be16(2000),
    new Uint8Array(8),
    Uint8Array.of(0x50, 0x10, 1, 0, 0, 0, 0, 0),
  );
  const pseudo = join(
    ipBytes(tap.guestIp),
    ipBytes(destination),
    Uint8Array.of(0, 6),
    be16(length),
  );
  tcp.set(be16(sum16(pseudo)), 16);
  // NEEDS_CSUM, GSO_TCPV4, hdr_len, gso_size, csum_start, csum_offset, num_buffers
  const header = join(
    Uint8Array.of(1, 1),
    le16(54),
    le16(gsoSize),
    le16(34),
    le16(16),
    le16(0),
  );
  const packet = frame(
    tap.hostMac,
    macBytes(GUEST_MAC),
    tap.guestIp,
    destination,
    6,
    join(tcp, payload),
  );
  return join(header, packet);
}

/** What a packet of the card's is made of. */
export interface Received {
  readonly flags: number;
  readonly gsoType: number;
  readonly gsoSize: number;
  readonly numBuffers: number;
  readonly frame: Uint8Array;
}

/** Puts the packets together out of the buffers that came back in a receive queue. */
export function packets(rig: DeviceRig<unknown>, queue = 0): Received[] {
  const done = rig.collect(queue);
  const found: Received[] = [];
  while (done.length > 0) {
    const view = new DataView(done[0].bytes.buffer);
    const numBuffers = view.getUint16(10, true);
    assert(numBuffers >= 1, "num_buffers is at least 1");
    assert(done.length >= numBuffers, "all buffers of a packet come back at once");
    const parts = done.splice(0, numBuffers);
    for (const part of parts.slice(0, -1)) assert.equal(part.written, part.writable.length);
    const bytes = join(...parts.map((part) => part.bytes));
    found.push({
      flags: bytes[0],
      gsoType: bytes[1],
      gsoSize: view.getUint16(4, true),
      numBuffers,
      frame: bytes.subarray(HEADER_SIZE),
    });
  }
  return found;
}

/** Offers receive buffers. */
export function offerBuffers(
  rig: DeviceRig<unknown>,
  count: number,
  size: number,
  queue = 0,
): void {
  for (let i = 0; i < count; i++) rig.driver.queue(queue).add({ writable: [size] });
  rig.driver.queue(queue).publish();
  rig.kickIfWanted(queue);
}

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
