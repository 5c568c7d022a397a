/**
 * What the protocol asks of the host's side: streams of bytes that never block, whatever they are made of.
 *
 * Each says once that something can be read or written (an edge); the other side then reads or writes until it
 * is told EAGAIN, and hears of the next change.
 * @module
 */
import type { IoVectors } from "../../../src/ffi/mod.ts";

/** Who hears of changes of a stream. The calls do no more than take note, and may come at any time. */
export interface StreamListener {
  /** There may be something to read, or the other end has said that it sends no more. */
  readable(): void;
  /** There may be room to write again. */
  writable(): void;
  /** The other end neither sends nor receives any more; what it has sent can still be read. */
  hungUp(): void;
}

/** The device's end of one stream. */
export interface HostStream {
  /** Who is told of changes. */
  listener: StreamListener;
  /**
   * Reads into the first `count` of `vectors`.
   *
   * @returns the bytes read; 0 at the end of the stream; a negative errno
   */
  readv(vectors: IoVectors, count: number): number;
  /**
   * Writes the first `count` of `vectors`, or the part of them for which there is room.
   *
   * @returns the bytes written, or a negative errno
   */
  writev(vectors: IoVectors, count: number): number;
  /**
   * Tells whoever has opened the stream on the host that the guest has accepted it.
   *
   * @param port the port that stands for it
   * @returns whether it could be told
   */
  confirm(port: number): boolean;
  /** Whether the listener wants to hear of room to write. */
  watchWritable(wanted: boolean): void;
  /** What the other end sends from now on is refused. */
  shutdownRead(): void;
  /** The other end reads an end of the stream after what was written. */
  shutdownWrite(): void;
  /** Lets go of the stream; the listener hears no more. A second call does nothing. */
  close(): void;
}

/** The device, as the host's side sees it. */
export interface HostClient {
  /** Somebody on the host has connected: says which port is wanted, in a line, as the first thing. */
  accepted(stream: HostStream): void;
  /** Some listeners were told something; comes once after several of these calls. */
  served(): void;
}

/** The host's side of one device. */
export interface Host {
  /**
   * Connects to whoever listens for a port on the host.
   *
   * @returns undefined where nobody does, or where there's no connecting
   */
  connect(port: number): HostStream | undefined;
  /** Whether connections from the host are taken. They wait, as far as the host lets them, while they are not. */
  listen(wanted: boolean): void;
  /** Gives back what it has, streams too. */
  close(): void;
}
