/**
 * The host's end of a network card: a tap interface.
 * @module
 */
import {
  EINVAL,
  type IoVectors,
  readv,
  setTapCarrier,
  setTapOffloads,
  SysError,
  useTapQueue,
  writev,
} from "../../../src/ffi/mod.ts";
import type { NetBackend, NetPort } from "./backend.ts";

/** One queue of a tap, or any descriptor that moves a packet with each call. */
export class DescriptorPort implements NetPort {
  constructor(readonly fd: number) {}

  read(vectors: IoVectors, first: number, count: number): number {
    return readv(this.fd, vectors, count, first);
  }

  write(vectors: IoVectors, count: number): number {
    return writev(this.fd, vectors, count);
  }
}

/** A tap that the main isolate has opened, all of whose queues are in use. */
export class TapBackend implements NetBackend {
  readonly name: string;
  readonly ports: readonly NetPort[];
  #used: number;

  /** @param fds one for each queue */
  constructor(name: string, fds: readonly number[]) {
    this.name = `tap "${name}"`;
    this.ports = fds.map((fd) => new DescriptorPort(fd));
    this.#used = fds.length;
  }

  usePorts(count: number): void {
    while (this.#used > count) {
      useTapQueue(this.ports[this.#used - 1].fd, false);
      this.#used--;
    }
    while (this.#used < count) {
      useTapQueue(this.ports[this.#used].fd, true);
      this.#used++;
    }
  }

  setOffloads(flags: number): void {
    setTapOffloads(this.ports[0].fd, flags);
  }

  setCarrier(up: boolean): void {
    try {
      setTapCarrier(this.ports[0].fd, up);
    } catch (error) {
      // An interface that is down has no carrier to be changed, and gives no packets.
      if (!(error instanceof SysError && error.errno === EINVAL)) throw error;
    }
  }
}
