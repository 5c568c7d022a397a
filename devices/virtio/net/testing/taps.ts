/**
 * Real taps for tests of network cards, and the host's sockets on them.
 * @module
 */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";

/** The fake guest's address on every card. */
export const GUEST_MAC = "52:54:00:12:34:56";

let made = 0;

/** A name that no other test, in this process or another, gives an interface. */
function newName(): string {
  return `nv${Deno.pid.toString(36)}t${made++}`;
}

/** The process that made a tap of that name; undefined where it isn't one of these taps. */
export function tapMaker(name: string): number | undefined {
  const pid = /^nv([0-9a-z]+)t\d+$/.exec(name)?.[1];
  return pid === undefined ? undefined : Number.parseInt(pid, 36);
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
