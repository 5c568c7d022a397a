/**
 * A socket device under test, with a guest on one side and programs on the other, all in one isolate.
 * @module
 */
import assert from "node:assert/strict";
import { DeviceRig, type SavedRig, type StartOptions } from "../../testing/rig.ts";
import { GuestMemory } from "../../../../src/memory/mod.ts";
import { vsock, type VsockDescription } from "../mod.ts";
import { type GuestOptions, type GuestSocket, GuestStack } from "./guest_stack.ts";
import { HostListener, HostPeer } from "./host_peer.ts";

/** How the device and its guest are made. */
export interface VsockRigOptions {
  /** Properties of the device besides `uds` and `cid`. */
  readonly device?: Readonly<Record<string, unknown>>;
  readonly guest?: GuestOptions;
  readonly start?: StartOptions;
  readonly saved?: SavedRig;
}

/** The device, the guest, and a directory for sockets. */
export class VsockRig implements AsyncDisposable {
  readonly directory = Deno.makeTempDirSync({ prefix: "vsock" });
  readonly uds = `${this.directory}/v.sock`;
  readonly rig: DeviceRig<VsockDescription>;
  /** Programs that are served while the rig runs. */
  readonly peers = new Set<HostPeer>();
  readonly #owned = new DisposableStack();
  readonly #options: VsockRigOptions;
  #guest: GuestStack | undefined;

  constructor(options: VsockRigOptions = {}) {
    this.#options = options;
    this.#owned.defer(() => Deno.removeSync(this.directory, { recursive: true }));
    try {
      this.rig = DeviceRig.create(vsock, { uds: this.uds, cid: 3, ...options.device }, {
        memory: options.saved?.memory ?? GuestMemory.forTest(64 << 20),
        saved: options.saved,
      });
    } catch (error) {
      this.#owned.dispose();
      throw error;
    }
  }

  /** A device whose driver is ready. */
  static start(options: VsockRigOptions = {}): VsockRig {
    const rig = new VsockRig(options);
    rig.start();
    return rig;
  }

  /** A driver comes. */
  start(): void {
    this.rig.start(this.#options.start ?? {});
    this.#guest = new GuestStack(this.rig, this.#options.guest);
    this.#guest.step();
  }

  get guest(): GuestStack {
    assert(this.#guest !== undefined, "there's no driver");
    return this.#guest;
  }

  /** A program that listens for the guest at a port. */
  listen(port: number, backlog?: number): HostListener {
    return this.#owned.use(new HostListener(`${this.uds}_${port}`, backlog));
  }

  /** A program of the host's, served while the rig runs unless `served` is false. */
  adopt(peer: HostPeer, served = true): HostPeer {
    this.#owned.use(peer);
    if (served) this.peers.add(peer);
    return peer;
  }

  /** Runs everything until something holds. */
  run(until: () => boolean, timeoutMs?: number): void {
    this.rig.run(() => {
      this.step();
      return until();
    }, timeoutMs);
  }

  /** Runs everything for a time. */
  runFor(milliseconds: number): void {
    const end = performance.now() + milliseconds;
    this.run(() => performance.now() >= end, milliseconds + 5000);
  }

  /** Lets the guest and the programs go on as far as they get without the device's loop. */
  step(): void {
    let progress = true;
    while (progress) {
      progress = false;
      for (const peer of this.peers) {
        if (peer.write()) progress = true;
        if (peer.read()) progress = true;
      }
      const serving = this.rig.started && this.rig.failure === undefined;
      if (serving && this.#guest?.step()) progress = true;
    }
  }

  /** A connection from the guest to a listening program: both ends. */
  fromGuest(listener: HostListener, port: number, served = true): [GuestSocket, HostPeer] {
    const socket = this.guest.connect(port);
    let peer: HostPeer | undefined;
    this.run(() => {
      peer ??= listener.accept();
      return peer !== undefined && socket.state === "established";
    });
    assert(peer !== undefined);
    return [socket, this.adopt(peer, served)];
  }

  /** A connection from a program to a listening port of the guest's: both ends, after the `OK`. */
  fromHost(port: number): [GuestSocket, HostPeer] {
    let socket: GuestSocket | undefined;
    this.guest.listen(port, (accepted) => socket = accepted);
    const peer = this.adopt(HostPeer.request(this.uds, port));
    let line = "";
    this.run(() => (line += peer.text()).includes("\n"));
    assert.match(line, /^OK \d+\n$/);
    assert(socket !== undefined);
    assert.equal(line, `OK ${socket.peerPort}\n`);
    return [socket, peer];
  }

  metric(name: string): number {
    const metrics: Record<string, number> = this.rig.metrics.read();
    assert(name in metrics, `there's no metric ${name}`);
    return metrics[name];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rig[Symbol.asyncDispose]();
    this.#owned.dispose();
  }
}

/** All bytes of some pieces. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
