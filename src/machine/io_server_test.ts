import assert from "node:assert/strict";
import { ByteRing } from "../../devices/mod.ts";
import { EventFd } from "../ffi/mod.ts";
import { GuestMemory } from "../memory/mod.ts";
import type { IoJob, IoLetter } from "./io_job.ts";
import { IoServer } from "./io_server.ts";

/** A server whose jobs have no devices, and what it posts. */
class Rig implements Disposable {
  readonly letters: IoLetter[] = [];
  readonly server = new IoServer((letter) => void this.letters.push(letter));
  /** How many jobs the server can know of, beside those that it was given. */
  readonly posted = new Int32Array(new SharedArrayBuffer(4));
  readonly #door = new EventFd("jobs");
  readonly #bells: EventFd[] = [];

  /** A job that was told to stop already. */
  stoppedJob(number: number): IoJob {
    const bell = new EventFd("commands");
    this.#bells.push(bell);
    const commands = ByteRing.allocate(4096);
    const stop = JSON.stringify({ id: 70 + number, name: "stop" });
    const ring = new ByteRing(commands);
    for (const byte of new TextEncoder().encode(`${stop}\n`)) ring.write(byte);
    bell.signal();
    return {
      number,
      mailbox: { posted: this.posted.buffer, door: this.#door.raw },
      memory: GuestMemory.forTest(4096).spec,
      devices: [],
      userModules: [],
      commands,
      bell: bell.raw,
    };
  }

  [Symbol.dispose](): void {
    for (const fd of [this.#door, ...this.#bells]) fd[Symbol.dispose]();
  }
}

const served = (job: number) => [
  { job, message: { kind: "ready" } },
  { job, message: { kind: "answer", id: 70 + job, result: null } },
];

Deno.test("a job that comes before the word that tells of it is served", () => {
  using rig = new Rig();
  rig.server.take(rig.stoppedJob(1));
  assert.deepEqual(rig.letters, served(1));
});

Deno.test("a job waits for a message that is on its way, and is served with what that brings", () => {
  using rig = new Rig();
  Atomics.store(rig.posted, 0, 2);
  rig.server.take(rig.stoppedJob(1));
  assert.deepEqual(rig.letters, served(1).slice(0, 1));
  rig.server.take(rig.stoppedJob(2));
  const byJob = (job: number) => rig.letters.filter((letter) => letter.job === job);
  assert.deepEqual([byJob(1), byJob(2)], [served(1), served(2)]);
});
