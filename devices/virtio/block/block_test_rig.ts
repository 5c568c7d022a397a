/**
 * A disk under test: its requests as a driver writes them, images in a directory of the test's own, and system
 * calls that are written down, held back or made to fail.
 * @module
 */
import assert from "node:assert/strict";
import type { IoOperation, IoScope, IoVectors } from "../../../src/ffi/mod.ts";
import type { VirtioModule } from "../module.ts";
import type { FakeBuffer } from "../testing/fake_queue.ts";
import type { DeviceRig } from "../testing/rig.ts";
import { scopeWith } from "../testing/scope.ts";
import { block, type BlockBackend } from "./mod.ts";
import { HEADER_SIZE, RequestType, SEGMENT_SIZE } from "./protocol.ts";

/** A range of a discard or write zeroes request, in sectors of 512 bytes. */
export interface TestSegment {
  readonly sector: number;
  readonly sectors: number;
  readonly flags?: number;
}

/** How a request ended. */
export interface Answer {
  /** The last byte of the device-writable part. */
  readonly status: number;
  /** What is before it. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** How many bytes the device says it wrote. */
  readonly written: number;
}

/** Requests to a disk, one at a time. */
export class TestDisk {
  constructor(readonly rig: DeviceRig<BlockBackend>, readonly queue = 0) {}

  read(sector: number, length: number): Answer {
    return this.request(readOf(sector, length));
  }

  write(sector: number, data: Uint8Array): number {
    return this.request(writeOf(sector, data)).status;
  }

  flush(): number {
    return this.request({ readable: [header(RequestType.flush, 0)], writable: [1] }).status;
  }

  discard(...segments: TestSegment[]): number {
    return this.request(rangesOf(RequestType.discard, segments)).status;
  }

  writeZeroes(...segments: TestSegment[]): number {
    return this.request(rangesOf(RequestType.writeZeroes, segments)).status;
  }

  id(): string {
    const { status, data } = this.request({
      readable: [header(RequestType.getId, 0)],
      writable: [20, 1],
    });
    assert.equal(status, 0);
    return new TextDecoder().decode(data).replace(/\0+$/, "");
  }

  request(buffer: FakeBuffer): Answer {
    return answer(this.rig.request(this.queue, buffer));
  }
}

/** What a completion says as a request. */
export function answer(
  done: { readonly writable: Uint8Array<ArrayBuffer>; readonly written: number },
): Answer {
  const { writable, written } = done;
  return { status: writable[writable.length - 1], data: writable.slice(0, -1), written };
}

/** A request's header. @param sector any number; beyond 2^53 it is not exact */
export function header(type: number, sector: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  return bytes;
}

export function readOf(sector: number, length: number): FakeBuffer {
  return { readable: [header(RequestType.in, sector)], writable: [length, 1] };
}

export function writeOf(sector: number, data: Uint8Array): FakeBuffer {
  return { readable: [header(RequestType.out, sector), data], writable: [1] };
}

export function rangesOf(type: number, segments: readonly TestSegment[]): FakeBuffer {
  const bytes = new Uint8Array(segments.length * SEGMENT_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [i, { sector, sectors, flags = 0 }] of segments.entries()) {
    view.setBigUint64(i * SEGMENT_SIZE, BigInt(sector), true);
    view.setUint32(i * SEGMENT_SIZE + 8, sectors, true);
    view.setUint32(i * SEGMENT_SIZE + 12, flags, true);
  }
  return { readable: [header(type, 0), bytes], writable: [1] };
}

/** Bytes that tell where they are from. */
export function pattern(length: number, seed: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8) * 13 + seed * 31) & 0xff);
}

/** Runs a test with a directory that is removed afterwards. */
export async function withDirectory(
  run: (directory: string) => void | Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await run(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Makes an image of zeros. */
export async function makeImage(directory: string, size: number): Promise<string> {
  const path = `${directory}/disk.img`;
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  await file.truncate(size);
  return path;
}

/** One asynchronous system call that a disk has made. */
export interface Call {
  readonly name: "readv" | "writev" | "fdatasync" | "fallocate";
  readonly offset: number;
  /** RWF_* of a write, the mode of a fallocate; otherwise 0. */
  readonly flags: number;
  /** Bytes. */
  readonly length: number;
}

/** The system calls of a disk, seen and changed from outside. */
export class CallRecorder {
  readonly calls: Call[] = [];
  /** Says how a call ends without being made: a negative errno or a number of bytes; undefined: it is made. */
  intercept: (call: Call) => number | undefined = () => undefined;
  /** Whether calls wait for {@linkcode release}. */
  holding: (call: Call) => boolean = () => false;
  readonly #held: (() => void)[] = [];

  /** Block devices whose system calls are recorded here. */
  readonly module: VirtioModule<typeof block.options, BlockBackend> = {
    ...block,
    open: (description, context) =>
      block.open(description, { ...context, io: this.#watch(context.io) }),
  };

  /** How many calls of a name there were. @param flags bits that they must have */
  count(name: Call["name"], flags = 0): number {
    return this.calls.filter((call) => call.name === name && (call.flags & flags) === flags).length;
  }

  /** Makes the calls that were held back. */
  release(): void {
    for (const start of this.#held.splice(0)) start();
  }

  #watch(io: IoScope): IoScope {
    return scopeWith(io, { operation: (completed) => this.#operation(io, completed) });
  }

  #operation(io: IoScope, completed: (result: number) => void): IoOperation {
    let forged: number | undefined;
    let held = false;
    const real = io.operation((result) => {
      const given = forged ?? result;
      forged = undefined;
      completed(given);
    });
    const make = (fd: number, call: Call, start: () => void) => {
      this.calls.push(call);
      const go = () => {
        held = false;
        forged = this.intercept(call);
        // Something has to be under way meanwhile; a sync does no harm.
        if (forged === undefined) start();
        else real.fdatasync(fd);
      };
      held = this.holding(call);
      if (held) this.#held.push(go);
      else go();
    };
    const sum = (vectors: IoVectors, count: number) => {
      let bytes = 0;
      for (let i = 0; i < count; i++) bytes += vectors.lengthOf(i);
      return bytes;
    };
    return {
      get busy() {
        return held || real.busy;
      },
      readv(fd, vectors, count, offset) {
        const call: Call = { name: "readv", offset, flags: 0, length: sum(vectors, count) };
        make(fd, call, () => real.readv(fd, vectors, count, offset));
      },
      writev(fd, vectors, count, offset, flags = 0) {
        const call: Call = { name: "writev", offset, flags, length: sum(vectors, count) };
        make(fd, call, () => real.writev(fd, vectors, count, offset, flags));
      },
      fdatasync(fd) {
        make(fd, { name: "fdatasync", offset: 0, flags: 0, length: 0 }, () => real.fdatasync(fd));
      },
      fallocate(fd, mode, offset, length) {
        const call: Call = { name: "fallocate", offset, flags: mode, length };
        make(fd, call, () => real.fallocate(fd, mode, offset, length));
      },
    };
  }
}
