import assert from "node:assert/strict";
import { Fd, IoLoop, O_NONBLOCK, O_RDWR, read, writeAll } from "../../../src/ffi/mod.ts";
import { GuestMemory } from "../../../src/memory/mod.ts";
import { DescriptorChain } from "../queue/chain.ts";
import { FdBackend } from "./fd_backend.ts";

/** As many bytes as a port on standard streams writes at once. */
const BOUND = 4096;
/** A pipe's capacity is a multiple of this, which is also what one write of the filler's takes (PIPE_BUF). */
const PAGE = 4096;
/** After so long a backend that blocks is let go, so that its test fails instead of standing still. */
const RESCUE_SECONDS = 5;

const never = (error: unknown) => {
  throw error;
};

/** A backend on a named pipe that blocks, as standard streams do, and another end of the same pipe that doesn't. */
class Pipe implements AsyncDisposable {
  readonly #folder = Deno.makeTempDirSync();
  readonly #path = `${this.#folder}/fifo`;
  readonly #blocking: Fd;
  readonly #loop = new IoLoop();
  readonly #memory = GuestMemory.forTest(1 << 20);
  readonly #rescuer: Deno.ChildProcess;
  readonly backend: FdBackend;
  /** The other end. */
  readonly other: Fd;
  readonly lost: string[] = [];
  /** What the port does when it is called back. */
  onInput = () => {};
  onRoom = () => {};

  /**
   * @param rescue the shell's command that ends a read or write which blocks
   * @param onError is given what `onInput` and `onRoom` throw
   */
  constructor(rescue: string, onError: (error: unknown) => void = never) {
    assert(new Deno.Command("mkfifo", { args: [this.#path] }).outputSync().success);
    // Open for both, it has always a reader and a writer.
    this.#blocking = Fd.open(this.#path, O_RDWR);
    this.other = Fd.open(this.#path, O_RDWR | O_NONBLOCK);
    // It ends with its input; a status above 128 is a time that is over.
    const script = `read -t ${RESCUE_SECONDS}; [ $? -gt 128 ] || exit 0; exec ${rescue}`;
    this.#rescuer = new Deno.Command("bash", {
      args: ["-c", script, "bash", this.#path],
      stdin: "piped",
      stdout: "null",
    }).spawn();
    const { raw } = this.#blocking;
    this.backend = new FdBackend(
      { input: raw, output: raw, bounded: BOUND },
      this.#loop.scope(onError),
      { input: () => this.onInput(), room: () => this.onRoom(), connection: () => {} },
      (problem) => this.lost.push(problem),
    );
  }

  /** Reads into a buffer of the guest's. @returns the text */
  read(): string {
    const chain = new DescriptorChain(1);
    [chain.count, chain.lengths[0], chain.writableBytes] = [1, 64, 64];
    const bytes = new Uint8Array(this.backend.read(this.#memory, chain));
    this.#memory.read(0, bytes);
    return new TextDecoder().decode(bytes);
  }

  /** Writes the rest of a buffer of `length` bytes. @returns how many it took */
  write(length: number, skip = 0): number {
    const chain = new DescriptorChain(1);
    chain.count = chain.readableCount = 1;
    chain.lengths[0] = chain.readableBytes = length;
    return this.backend.write(this.#memory, chain, skip);
  }

  /** Leaves room for nothing. */
  fill(): void {
    const page = new Uint8Array(PAGE);
    assert.throws(() => {
      for (;;) writeAll(this.other.raw, page, "filling the pipe");
    }, /EAGAIN/);
  }

  turn(): void {
    this.#loop.turn(0);
  }

  /** Turns until `isDone`. */
  until(isDone: () => boolean): void {
    const end = performance.now() + 5000;
    while (!isDone()) {
      assert(performance.now() < end, "it does not happen within 5 s");
      this.#loop.turn(100);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.backend.close();
    this.#loop[Symbol.dispose]();
    await this.#rescuer.stdin.close();
    await this.#rescuer.status;
    this.other.close();
    this.#blocking.close();
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

const WRITE_LATE = 'printf late > "$1"';
const DRAIN_LATE = 'dd if="$1" bs=64K count=1 status=none';

Deno.test("a descriptor that blocks is read only when it has something, however often the guest asks", async () => {
  await using pipe = new Pipe(WRITE_LATE);
  assert.equal(pipe.read(), "");
  const heard: string[] = [];
  pipe.onInput = () => {
    // As a port does, until there is nothing more.
    for (let text = pipe.read(); text !== ""; text = pipe.read()) heard.push(text);
    pipe.backend.wantInput();
  };
  pipe.backend.wantInput();
  pipe.turn();
  assert.deepEqual(heard, []);
  for (const text of ["ls\n", "exit\n"]) {
    writeAll(pipe.other.raw, new TextEncoder().encode(text), "typing");
    pipe.until(() => heard.at(-1) === text);
    assert.equal(pipe.read(), "");
  }
  assert.deepEqual(heard, ["ls\n", "exit\n"]);
  assert.deepEqual(pipe.lost, []);
});

Deno.test("what another process has read meanwhile isn't waited for", async () => {
  await using pipe = new Pipe(WRITE_LATE);
  let calls = 0;
  // A guest that has no buffer now.
  pipe.onInput = () => calls++;
  pipe.backend.wantInput();
  writeAll(pipe.other.raw, new TextEncoder().encode("mine"), "typing");
  pipe.until(() => calls === 1);
  assert.equal(read(pipe.other.raw, new Uint8Array(64), "the other process"), 4);
  assert.equal(pipe.read(), "");
  assert.deepEqual(pipe.lost, []);
});

Deno.test("a call that fails leaves nothing behind that lets a later one block", async () => {
  const failures: unknown[] = [];
  await using pipe = new Pipe(WRITE_LATE, (error) => failures.push(error));
  pipe.onInput = pipe.onRoom = () => {
    throw new Error("the driver has broken a rule of its queue");
  };
  pipe.backend.wantInput();
  assert.equal(pipe.write(10), 0);
  writeAll(pipe.other.raw, new TextEncoder().encode("text"), "typing");
  pipe.until(() => failures.length === 2);
  assert.equal(read(pipe.other.raw, new Uint8Array(64), "the other process"), 4);
  assert.equal(pipe.read(), "");
  pipe.fill();
  assert.equal(pipe.write(10), 0);
});

Deno.test("a descriptor that blocks is written to only when it has room, a bounded piece at a time", async () => {
  await using pipe = new Pipe(DRAIN_LATE);
  pipe.fill();
  const length = 2 * BOUND + 100;
  const taken: number[] = [];
  const total = () => taken.reduce((sum, some) => sum + some, 0);
  pipe.onRoom = () => void taken.push(pipe.write(length, total()));
  assert.equal(pipe.write(length), 0);
  pipe.turn();
  assert.deepEqual(taken, []);
  const into = new Uint8Array(PAGE);
  for (const pieces of [1, 2, 3]) {
    assert.equal(read(pipe.other.raw, into, "the other process"), PAGE);
    pipe.until(() => taken.length === pieces);
    pipe.turn();
    assert.equal(taken.length, pieces);
  }
  assert.deepEqual(taken, [BOUND, BOUND, 100]);
  assert.deepEqual(pipe.lost, []);
});
