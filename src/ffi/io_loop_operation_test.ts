import assert from "node:assert/strict";
import { EBADF, EFAULT, EINVAL, ENOSPC, EOPNOTSUPP } from "./errno.ts";
import { Fd, O_DIRECT, O_RDONLY, O_RDWR } from "./fd.ts";
import { fileStatus, truncate } from "./file.ts";
import { IoLoop } from "./io_loop.ts";
import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  type IoScope,
  RWF_DSYNC,
} from "./io_scope.ts";
import { never } from "./io_loop_test_rig.ts";
import { IoVectors } from "./io_vectors.ts";
import { createMemFd } from "./mapping.ts";
import { Buffers, inDirectory, newFile, temporaryFilesTake } from "./test_files.ts";
import { socketPair } from "./unix_socket.ts";
import { writev } from "./vectored_io.ts";

/** Turns the loop until nothing of a scope is under way. */
function finish(loop: IoLoop, scope: IoScope): void {
  while (scope.pending > 0) {
    const start = performance.now();
    loop.turn(5000);
    assert(performance.now() - start < 5000, "an operation never ends");
  }
}

Deno.test("operations move bytes between a file and vectors, at any offset", async () => {
  await inDirectory((path) => {
    using loop = new IoLoop();
    using file = newFile(`${path}/file`);
    const scope = loop.scope(never);
    const results: number[] = [];
    const operation = scope.operation((result) => results.push(result));
    const buffers = new Buffers(256);
    const { vectors } = buffers;
    const start = (begin: () => void) => {
      begin();
      assert.equal(operation.busy, true);
      assert.equal(scope.pending, 1);
      finish(loop, scope);
      assert.equal(operation.busy, false);
    };
    buffers.bytes.set(new TextEncoder().encode("abcdefghij"));
    const three = buffers.point([4, 3], [0, 2], [7, 1]);
    const far = 3 * 2 ** 32 + 5;
    start(() => operation.writev(file.raw, vectors, three, far));
    start(() => operation.writev(file.raw, vectors, 1, 0, RWF_DSYNC));
    start(() => operation.fdatasync(file.raw));
    const two = buffers.point([100, 4], [200, 50]);
    start(() => operation.readv(file.raw, vectors, two, far));
    assert.equal(buffers.textAt(100, 4) + buffers.textAt(200, 2), "efgabh");
    start(() => operation.readv(file.raw, vectors, 1, 0));
    assert.equal(buffers.textAt(100, 4), "efg\0");
    start(() => operation.readv(file.raw, vectors, 1, far + 6));
    assert.deepEqual(results, [6, 3, 0, 6, 4, 0]);
    assert.equal(fileStatus(file.raw, "file").size, far + 6);
  });
});

Deno.test("an operation allocates and punches parts of a file, and says where it can't", async () => {
  await inDirectory((path) => {
    using loop = new IoLoop();
    using file = newFile(`${path}/file`);
    const scope = loop.scope(never);
    const results: number[] = [];
    const operation = scope.operation((result) => results.push(result));
    const status = () => fileStatus(file.raw, "file");
    const fallocate = (mode: number, offset: number, length: number) => {
      operation.fallocate(file.raw, mode, offset, length);
      finish(loop, scope);
    };
    fallocate(0, 0, 1 << 20);
    assert.deepEqual([status().size, status().allocated], [1 << 20, 1 << 20]);
    fallocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 16, 1 << 18);
    assert.equal(status().allocated, (1 << 20) - (1 << 18));
    const far = 5 * 2 ** 32;
    fallocate(0, far, 1 << 16);
    assert.equal(status().size, far + (1 << 16));
    fallocate(FALLOC_FL_KEEP_SIZE, 2 ** 40, 4096);
    assert.equal(status().size, far + (1 << 16));
    fallocate(0, 0, 0);
    // No file system punches and zeroes at once.
    fallocate(FALLOC_FL_ZERO_RANGE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096);
    assert.deepEqual(results, [0, 0, 0, 0, -EINVAL, -EOPNOTSUPP]);
  });
});

Deno.test("a failed operation's result is the negative errno", async () => {
  await inDirectory((path) => {
    using loop = new IoLoop();
    const scope = loop.scope(never);
    const results: number[] = [];
    const operation = scope.operation((result) => results.push(result));
    const buffers = new Buffers(64);
    buffers.point([0, 64]);
    const wild = new IoVectors(2);
    wild.set(0, 4096, 10);
    wild.set(1, 4096, 10);
    using full = Fd.open("/dev/full", O_RDWR);
    using zero = newFile(`${path}/file`);
    truncate(zero.raw, 4096, "file");
    using reader = Fd.open(`${path}/file`, O_RDONLY);
    using memory = createMemFd("memory", 4096);
    const begin = [
      () => operation.readv(1_000_000, buffers.vectors, 1, 0),
      () => operation.writev(full.raw, buffers.vectors, 1, 0),
      () => operation.readv(zero.raw, wild, 1, 0),
      () => operation.readv(zero.raw, wild, 2, 0),
      () => operation.writev(reader.raw, buffers.vectors, 1, 0),
      () => operation.writev(memory.raw, buffers.vectors, 1, 0, 0x4000_0000),
    ];
    for (const each of begin) {
      each();
      finish(loop, scope);
    }
    const refused = results.pop() as number;
    assert.deepEqual(results, [-EBADF, -ENOSPC, -EFAULT, -EFAULT, -EBADF]);
    assert(refused < 0, "an unknown flag was accepted");
  });
});

Deno.test("operations that make no sense are refused before the kernel sees them", () => {
  using loop = new IoLoop();
  const scope = loop.scope(never);
  const operation = scope.operation(() => {});
  const { vectors } = new Buffers(64);
  for (const count of [0, -1, 9, NaN]) {
    assert.throws(() => operation.readv(0, vectors, count, 0), /I\/O vectors of 8/);
  }
  for (const offset of [-1, NaN]) {
    assert.throws(() => operation.writev(0, vectors, 1, offset), /no file offset/);
  }
  assert.equal(scope.pending, 0);
  operation.fdatasync(1_000_000);
  assert.throws(() => operation.fdatasync(1_000_000), /under way already/);
  finish(loop, scope);
});

const ignore = !temporaryFilesTake(O_DIRECT);
const needs = ignore ? " (needs temporary files that take O_DIRECT)" : "";

Deno.test(`O_DIRECT moves bytes straight between the file and shared memory${needs}`, {
  ignore,
}, async () => {
  await inDirectory((path) => {
    using loop = new IoLoop();
    using file = newFile(`${path}/file`, O_DIRECT);
    const scope = loop.scope(never);
    const results: number[] = [];
    const operation = scope.operation((result) => results.push(result));
    const buffers = new Buffers(16384, 4096);
    buffers.bytes.fill(0x5a, 0, 8192);
    operation.writev(file.raw, buffers.vectors, buffers.point([0, 8192]), 4096);
    finish(loop, scope);
    operation.readv(file.raw, buffers.vectors, buffers.point([12288, 4096], [8192, 4096]), 0);
    finish(loop, scope);
    assert.deepEqual(results, [8192, 8192]);
    assert.deepEqual([buffers.bytes[8192], buffers.bytes[12288]], [0x5a, 0]);
  });
});

Deno.test("more operations than fit into the ring all complete, each with its own result", () => {
  using loop = new IoLoop({ entries: 2 });
  using memory = createMemFd("memory", 0);
  const scope = loop.scope(never);
  const buffers = new Buffers(4096);
  const results = new Map<number, number>();
  for (let i = 1; i <= 300; i++) {
    buffers.point([0, i]);
    scope.operation((result) => results.set(i, result)).writev(
      memory.raw,
      buffers.vectors,
      1,
      i * 4096,
    );
  }
  assert.equal(scope.pending, 300);
  finish(loop, scope);
  assert.equal(results.size, 300);
  for (const [i, result] of results) assert.equal(result, i);
});

Deno.test("a callback starts its own operation again and others, a hundred thousand times", () => {
  using loop = new IoLoop();
  using memory = createMemFd("memory", 1 << 20);
  const scope = loop.scope(never);
  const buffers = new Buffers(4096);
  buffers.point([0, 512]);
  let left = 100_000;
  const operations = Array.from({ length: 32 }, () => {
    const operation = scope.operation((result) => {
      assert.equal(result, 512);
      if (--left >= 32) operation.readv(memory.raw, buffers.vectors, 1, (left % 2000) * 512);
    });
    return operation;
  });
  for (const operation of operations) operation.readv(memory.raw, buffers.vectors, 1, 0);
  finish(loop, scope);
  assert.equal(left, 0);
});

Deno.test("whenIdle calls back once nothing is under way, never from inside the call", () => {
  using loop = new IoLoop();
  const scope = loop.scope(never);
  const [near, far] = socketPair("test");
  const calls: string[] = [];
  scope.whenIdle(() => calls.push("at once"));
  assert.equal(calls.length, 0);
  loop.turn();
  assert.equal(calls.join(), "at once");

  const buffers = new Buffers(64);
  buffers.point([0, 64]);
  const again = scope.operation((result) => calls.push(`then ${result}`));
  const operation = scope.operation((result) => {
    calls.push(`first ${result}`);
    again.fdatasync(1_000_000);
  });
  operation.readv(near.raw, buffers.vectors, 1, 0);
  scope.whenIdle(() => calls.push("idle"));
  scope.whenIdle(() => {
    calls.push("idle too");
    scope.whenIdle(() => calls.push("idle again"));
  });
  loop.turn(0);
  loop.turn(1);
  assert.equal(calls.join(), "at once");
  const word = new Buffers(8);
  writev(far.raw, word.vectors, word.text("hi"));
  while (calls.length < 6) loop.turn(5000);
  assert.deepEqual(calls.slice(1), ["first 2", `then ${-EBADF}`, "idle", "idle too", "idle again"]);
  near.close();
  far.close();
});

Deno.test("a scope that closes keeps its operations' callbacks, and tells when all have come", () => {
  using loop = new IoLoop();
  const scope = loop.scope(never);
  const [near, far] = socketPair("test");
  const buffers = new Buffers(64);
  buffers.point([0, 64]);
  const calls: string[] = [];
  scope.operation((result) => calls.push(String(result))).readv(near.raw, buffers.vectors, 1, 0);
  loop.turn(0);
  scope.close();
  scope.whenIdle(() => calls.push("idle"));
  assert.equal(scope.pending, 1);
  const word = new Buffers(8);
  writev(far.raw, word.vectors, word.text("hello"));
  while (calls.length < 2) loop.turn(5000);
  assert.deepEqual(calls, ["5", "idle"]);
  assert.equal(buffers.textAt(0, 5), "hello");
  near.close();
  far.close();
});

Deno.test("disposing of a scope waits for its operations, in a turn and outside", async () => {
  using loop = new IoLoop();
  using memory = createMemFd("memory", 4096);
  const buffers = new Buffers(64);
  buffers.point([0, 64]);
  const calls: string[] = [];
  {
    await using scope = loop.scope(never);
    scope.operation((result) => calls.push(`${result}`)).readv(memory.raw, buffers.vectors, 1, 0);
    scope.timer(never).set(0);
  }
  assert.deepEqual(calls, ["64"]);

  const scope = loop.scope(never);
  const other = loop.scope(never);
  let disposed: Promise<void> | undefined;
  other.timer(() => {
    scope.operation((result) => calls.push(`${result}`)).fdatasync(memory.raw);
    disposed = scope[Symbol.asyncDispose]();
  }).set(0);
  while (disposed === undefined || scope.pending > 0) loop.turn(5000);
  await disposed;
  assert.deepEqual(calls, ["64", "0"]);
});

Deno.test("a loop that is disposed of ends operations that would wait for ever", () => {
  const loop = new IoLoop();
  const scope = loop.scope(never);
  const [near, far] = socketPair("test");
  const buffers = new Buffers(64);
  buffers.point([0, 64]);
  const results: number[] = [];
  for (let i = 0; i < 3; i++) {
    scope.operation((result) => results.push(result)).readv(near.raw, buffers.vectors, 1, 0);
  }
  loop.turn(0);
  // One that was never submitted ends too.
  scope.operation((result) => results.push(result)).readv(near.raw, buffers.vectors, 1, 0);
  let idle = 0;
  scope.whenIdle(() => idle++);
  loop[Symbol.dispose]();
  assert.equal(results.length, 4);
  for (const result of results) assert(result < 0, String(result));
  assert.equal(idle, 1);
  near.close();
  far.close();
});
