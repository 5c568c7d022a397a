/**
 * A port with faults between it and its queues. Without faults, and with nothing on its way, it is the port itself
 * but for one comparison.
 * @module
 */
import { EAGAIN, type IoScope, type IoTimer, type IoVectors } from "../../../src/ffi/mod.ts";
import type { NetPort } from "./backend.ts";
import { DelayLine } from "./delay_line.ts";
import type { NetFaults } from "./faults.ts";
import { PACKET_MAX, PACKETS_A_TURN } from "./packet.ts";
import { PacketStage } from "./packet_stage.ts";

/** After a host that has no room is asked again, in milliseconds. */
const RETRY_MS = 1;

/** One queue of packets to and from the host, and what goes wrong on the way. */
export class FaultyPort implements NetPort {
  readonly fd: number;
  /** Tells the queue that receives that there is a packet, whatever the descriptor says. */
  arrived: () => void = () => {};
  readonly #port: NetPort;
  readonly #io: IoScope;
  readonly #faults: NetFaults;
  readonly #receiving = new DelayLine();
  readonly #sending = new DelayLine();
  readonly #receiveTimer: IoTimer;
  readonly #sendTimer: IoTimer;
  /** Made when there are faults for the first time. */
  #stage: PacketStage | undefined;
  /** Whether packets in a direction can't go straight on. */
  #receivesFaulty = false;
  #sendsFaulty = false;

  constructor(port: NetPort, io: IoScope, faults: NetFaults) {
    this.fd = port.fd;
    this.#port = port;
    this.#io = io;
    this.#faults = faults;
    this.#receiveTimer = io.timer(() => this.arrived());
    this.#sendTimer = io.timer(() => this.#drain());
  }

  read(vectors: IoVectors, first: number, count: number): number {
    if (!this.#receivesFaulty) return this.#port.read(vectors, first, count);
    return this.#receive(vectors, first, count);
  }

  write(vectors: IoVectors, count: number): number {
    if (!this.#sendsFaulty) return this.#port.write(vectors, count);
    const stage = this.#stage ??= new PacketStage();
    const length = stage.gather(vectors, count);
    if (length < 0) return length;
    this.#faults.transmit.meet(stage.bytes.subarray(0, length), this.#sending, this.#io.now);
    const failed = this.#drain();
    return failed < 0 ? failed : length;
  }

  /** Makes what faults need. @throws {SysError} */
  prepare(): void {
    this.#stage ??= new PacketStage();
  }

  /** The rules have changed. What is on its way where there are none any more arrives at once. */
  changed(): void {
    const { receive, transmit } = this.#faults;
    if (!receive.active) this.#receiving.hurry();
    if (!transmit.active) this.#sending.hurry();
    this.resume();
  }

  /** Goes on with what is on its way, in a later turn. */
  resume(): void {
    const { receive, transmit } = this.#faults;
    this.#receivesFaulty = receive.active || this.#receiving.length > 0;
    this.#sendsFaulty = transmit.active || this.#sending.length > 0;
    this.#arm(this.#receiveTimer, this.#receiving);
    this.#arm(this.#sendTimer, this.#sending);
  }

  /** Nothing arrives until {@linkcode resume}. @param gone whether what is on its way is lost */
  stop(gone: boolean): void {
    this.#receiveTimer.clear();
    this.#sendTimer.clear();
    if (!gone) return;
    this.#receiving.clear();
    this.#sending.clear();
  }

  /** Gives back what it has made. */
  close(): void {
    this.stop(true);
    this.#stage?.[Symbol.dispose]();
    this.#stage = undefined;
  }

  #receive(vectors: IoVectors, first: number, count: number): number {
    const stage = this.#stage ??= new PacketStage();
    const { receive } = this.#faults;
    // A host could send what is dropped without an end.
    for (let i = 0; i < PACKETS_A_TURN; i++) {
      const packet = this.#receiving.take(this.#io.now);
      if (packet !== undefined) {
        return stage.scatter(packet, vectors, first, count);
      }
      if (!receive.active) {
        this.#receivesFaulty = this.#receiving.length > 0;
        return this.#port.read(vectors, first, count);
      }
      const length = this.#port.read(stage.vectors(PACKET_MAX), 0, 1);
      if (length <= 0) {
        this.#arm(this.#receiveTimer, this.#receiving);
        return length;
      }
      receive.meet(stage.bytes.subarray(0, length), this.#receiving, this.#io.now);
    }
    this.#receiveTimer.set(0);
    return -EAGAIN;
  }

  /** Sends what has arrived. @returns a negative errno where the host refused a packet, which is lost; or 0 */
  #drain(): number {
    const stage = this.#stage;
    let failed = 0;
    for (let i = 0; stage !== undefined && i < PACKETS_A_TURN; i++) {
      const { now } = this.#io;
      const packet = this.#sending.take(now);
      if (packet === undefined) break;
      stage.bytes.set(packet);
      const result = this.#port.write(stage.vectors(packet.length), 1);
      if (result === -EAGAIN) {
        this.#sending.putBack(packet, now + RETRY_MS);
        break;
      }
      if (result < 0) failed = result;
    }
    this.#sendsFaulty = this.#faults.transmit.active || this.#sending.length > 0;
    this.#arm(this.#sendTimer, this.#sending);
    return failed;
  }

  #arm(timer: IoTimer, line: DelayLine): void {
    const { next } = line;
    if (next === Infinity) timer.clear();
    else timer.set(Math.max(0, next - this.#io.now));
  }
}
