/**
 * The control queue: commands by which the driver changes the device while it runs.
 *
 * A command is a class, a command and its data, to be read, and one byte for the answer, to be written.
 *
 * Threat table:
 *
 * | the guest controls                   | what bounds it                                                           |
 * | ------------------------------------ | ------------------------------------------------------------------------ |
 * | classes, commands, data of any size  | the most that a known command has is read; whatever else is answered ERR |
 * | pairs, offloads, addresses           | compared with what was offered and agreed on                             |
 * | how many commands it gives           | a few in each turn; each costs the host a system call or two              |
 * | a command without room for an answer | it is not carried out                                                    |
 *
 * Source: virtio 1.2, 5.1.6.5.
 * @module
 */
import type { IoTimer } from "../../../src/ffi/mod.ts";
import type { DeviceContext } from "../module.ts";
import { DescriptorChain } from "../queue/chain.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";

/** The classes. */
export const VIRTIO_NET_CTRL_MAC = 1;
export const VIRTIO_NET_CTRL_ANNOUNCE = 3;
export const VIRTIO_NET_CTRL_MQ = 4;
export const VIRTIO_NET_CTRL_GUEST_OFFLOADS = 5;

/** The commands of each. */
export const VIRTIO_NET_CTRL_MAC_ADDR_SET = 1;
export const VIRTIO_NET_CTRL_ANNOUNCE_ACK = 0;
export const VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET = 0;
export const VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET = 0;

/** The answers. */
export const VIRTIO_NET_OK = 0;
export const VIRTIO_NET_ERR = 1;

/** What the commands do. Each says whether it is allowed. */
export interface ControlTarget {
  /** @param mac six bytes, valid during the call */
  setMac(mac: Uint8Array): boolean;
  announced(): boolean;
  /** @param pairs any 16-bit number */
  setPairs(pairs: number): boolean;
  /** @param offloads any 64-bit number */
  setOffloads(offloads: bigint): boolean;
}

const HEADER_BYTES = 2;
/** The most that a known command has: the 64 bits of the offloads. */
const DATA_MAX = 8;
const COMMANDS_A_TURN = 8;

/** The control queue of one device. */
export class ControlQueue {
  readonly #context: Pick<DeviceContext, "memory" | "metrics">;
  readonly #target: ControlTarget;
  readonly #timer: IoTimer;
  readonly #command = new Uint8Array(HEADER_BYTES + DATA_MAX);
  readonly #view = new DataView(this.#command.buffer);
  readonly #answer = new Uint8Array(1);
  #queue: Virtqueue | undefined;
  #chain = new DescriptorChain(0);

  constructor(
    context: Pick<DeviceContext, "memory" | "metrics" | "io">,
    target: ControlTarget,
  ) {
    this.#context = context;
    this.#target = target;
    this.#timer = context.io.timer(() => this.kick());
  }

  /** The driver has set the queue up. */
  start(queue: Virtqueue): void {
    this.#queue = queue;
    if (this.#chain.capacity < queue.size) this.#chain = new DescriptorChain(queue.size);
  }

  /** Carries out no more. */
  stop(): void {
    this.#timer.clear();
    this.#queue = undefined;
  }

  /** There may be commands. */
  kick(): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    const chain = this.#chain;
    let left = COMMANDS_A_TURN;
    while (left > 0 && queue.pop(chain)) {
      left--;
      queue.push(chain, this.#handle(chain));
    }
    queue.flush();
    if (left === 0) this.#timer.set(0);
  }

  /** Carries out one command. @returns how many bytes were answered */
  #handle(chain: DescriptorChain): number {
    const { memory, metrics } = this.#context;
    metrics.add("control_commands");
    const length = chain.read(memory, 0, this.#command);
    const accepted = chain.writableBytes > 0 && chain.readableBytes === length &&
      length >= HEADER_BYTES && this.#carryOut(length - HEADER_BYTES);
    if (!accepted) metrics.add("control_errors");
    this.#answer[0] = accepted ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
    return chain.write(memory, 0, this.#answer);
  }

  /** @param size of the data */
  #carryOut(size: number): boolean {
    const target = this.#target;
    switch (this.#view.getUint16(0)) {
      case id(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET):
        return size === 6 && target.setMac(this.#command.subarray(HEADER_BYTES, HEADER_BYTES + 6));
      case id(VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK):
        return size === 0 && target.announced();
      case id(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET):
        return size === 2 && target.setPairs(this.#view.getUint16(HEADER_BYTES, true));
      case id(VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET):
        return size === 8 && target.setOffloads(this.#view.getBigUint64(HEADER_BYTES, true));
      default:
        return false;
    }
  }
}

/** Class and command as one number, in the order in which they are in memory. */
function id(commandClass: number, command: number): number {
  return commandClass << 8 | command;
}
