/**
 * A card under drivers that break every rule, on a real tap.
 * @module
 */
import {
  bufferAddress,
  EAGAIN,
  type Fd,
  IoVectors,
  openTap,
  SysError,
  writev,
} from "../../../src/ffi/mod.ts";
import { fuzzDevice, type FuzzRequest } from "../testing/fuzz.ts";
import type { Random } from "../testing/random.ts";
import type { DeviceRig } from "../testing/rig.ts";
import { net, NET_FAULT_DIRECTIONS, type NetFault } from "./mod.ts";
import { HEADER_SIZE, PACKET_MAX } from "./packet.ts";
import { datagram, join, largeSegment, pattern, PLAIN_HEADER } from "./testing/packets.ts";
import { CAN_MAKE_TAPS, TestTap } from "./testing/taps.ts";

const PAIRS = 2;

/** Another tap's other end, whose packets the host forwards to a card. */
class Peer implements Disposable {
  readonly #tap = new TestTap();
  readonly #fd: Fd;
  readonly #target: TestTap;
  readonly #bytes = new Uint8Array(new SharedArrayBuffer(PACKET_MAX));
  readonly #vectors = new IoVectors(1);

  constructor(target: TestTap) {
    this.#target = target;
    this.#tap.forward();
    const { name } = this.#tap;
    this.#fd = openTap({ name, multiQueue: false, headerSize: HEADER_SIZE }).fd;
  }

  /** Sends a segment to the card, large or small. */
  send(length: number): void {
    const packet = largeSegment(this.#tap, this.#target.guestIp, pattern(length), 1448);
    if (length <= 1448) packet[1] = 0;
    this.#bytes.set(packet);
    this.#vectors.set(0, bufferAddress(this.#bytes.buffer), packet.length);
    const result = writev(this.#fd.raw, this.#vectors, 1);
    if (result < 0 && result !== -EAGAIN) throw new SysError("writev", -result, "the peer's tap");
  }

  [Symbol.dispose](): void {
    this.#fd.close();
    this.#tap[Symbol.dispose]();
  }
}

/** A packet, a receive buffer or a command. */
function request(random: Random, tap: TestTap): FuzzRequest {
  const queue = random.below(2 * PAIRS + 1);
  if (queue === 2 * PAIRS) return command(random, queue);
  if (queue % 2 === 0) {
    const writable = random.oneIn(4) ? [12, random.length(70_000)] : [12 + random.length(2000)];
    return { queue, writable };
  }
  const payload = pattern(random.length(random.oneIn(16) ? 60_000 : 1400));
  const large = payload.length > 1400 || random.oneIn(4);
  const packet = large
    ? largeSegment(tap, tap.hostIp, payload, 100 + random.below(1400))
    : join(PLAIN_HEADER, datagram(tap, { from: 7, to: 9 }, payload));
  if (random.oneIn(4)) packet.set(random.bytes(1 + random.below(HEADER_SIZE)));
  const cut = random.below(packet.length);
  return { queue, readable: [packet.subarray(0, cut), packet.subarray(cut)] };
}

function command(random: Random, queue: number): FuzzRequest {
  const bytes = random.pick([
    [1, 1, 2, 3, 4, 5, 6, 7],
    [3, 0],
    [4, 0, random.below(PAIRS + 2), 0],
    [5, 0, random.below(256), random.below(4), 0, 0, 0, 0, random.below(256), 0],
    Array.from(random.bytes(random.below(12))),
  ]);
  return { queue, readable: [Uint8Array.from(bytes)], writable: [1] };
}

function faultRule(random: Random): NetFault {
  const chance = () => random.pick([undefined, 0.1, 0.5, 1]);
  const delay = random.below(4);
  return {
    direction: random.pick(NET_FAULT_DIRECTIONS),
    delay,
    jitter: random.below(delay + 1),
    drop: random.oneIn(2) ? 0.2 : undefined,
    reorder: chance(),
    duplicate: chance(),
    corrupt: chance(),
  };
}

function hostEvent(random: Random, rig: DeviceRig<unknown>, peer: Peer): void {
  const choice = random.below(12);
  if (choice >= 10) {
    rig.command("faults", random.oneIn(3) ? [] : [faultRule(random)]);
  } else if (choice < 2) {
    rig.command("link", random.oneIn(3) ? "down" : "up");
  } else if (choice < 4) {
    const rate = random.pick([null, 1, 1e6, 1e9]);
    rig.command("limits", { [`${random.pick(["rx", "tx"])}-bandwidth`]: rate });
  } else {
    for (let i = random.below(8); i >= 0; i--) peer.send(random.length(60_000));
  }
}

Deno.test({
  name: "a network card stands hostile drivers",
  ignore: !CAN_MAKE_TAPS,
  async fn() {
    using tap = new TestTap({ multiQueue: true });
    using quiet = new TestTap();
    using peer = new Peer(tap);
    await fuzzDevice({
      module: net,
      options: { tap: tap.name, queues: PAIRS },
      neighbour: { tap: quiet.name },
      requestGenerator: (random) => request(random, tap),
      hostEvent: (random, rig) => hostEvent(random, rig, peer),
    });
  },
});
