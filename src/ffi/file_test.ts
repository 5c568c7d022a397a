import assert from "node:assert/strict";
import {
  conflictingLock,
  createMemFd,
  discardPages,
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  ENOSPC,
  EPIPE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  fallocate,
  Fd,
  fileStatus,
  IoVectors,
  lockFile,
  MADV_DONTNEED,
  MADV_REMOVE,
  O_DIRECT,
  O_DSYNC,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  PAGE_SIZE,
  preadv,
  pwritev,
  readv,
  seekData,
  seekHole,
  SharedMapping,
  socketPair,
  syncData,
  syncFile,
  SysError,
  truncate,
  unlockFile,
  writev,
} from "./mod.ts";
import { Buffers, inDirectory, newFile, temporaryFilesTake } from "./test_files.ts";

const hasLoopDevices = (() => {
  try {
    return new Deno.Command("losetup", { args: ["--find"], stdout: "null", stderr: "null" })
      .outputSync().success;
  } catch {
    return false;
  }
})();

Deno.test("vectors are filled in their order, from any of them on, up to the end of a file", async () => {
  await inDirectory((path) => {
    Deno.writeTextFileSync(`${path}/file`, "abcdefghij");
    using file = Fd.open(`${path}/file`, O_RDWR);
    const buffers = new Buffers(64);
    const count = buffers.point([10, 3], [0, 4], [20, 40]);
    assert.equal(readv(file.raw, buffers.vectors, count), 10);
    assert.equal(
      buffers.textAt(10, 3) + buffers.textAt(0, 4) + buffers.textAt(20, 3),
      "abcdefghij",
    );
    assert.equal(readv(file.raw, buffers.vectors, count), 0);
    assert.equal(preadv(file.raw, buffers.vectors, 2, 5, 1), 5);
    assert.equal(buffers.textAt(0, 4) + buffers.textAt(20, 1), "fghij");
    buffers.text("XY");
    assert.equal(pwritev(file.raw, buffers.vectors, 1, 8), 2);
    assert.equal(writev(file.raw, buffers.vectors, 1), 2);
    assert.equal(Deno.readTextFileSync(`${path}/file`), "abcdefghXYXY");
  });
});

Deno.test("offsets beyond 4 GiB reach the file as they are", async () => {
  await inDirectory((path) => {
    using file = newFile(`${path}/sparse`);
    const buffers = new Buffers(16);
    const offset = 5 * 2 ** 32 + 7;
    assert.equal(pwritev(file.raw, buffers.vectors, buffers.text("far"), offset), 3);
    assert.equal(fileStatus(file.raw, "sparse").size, offset + 3);
    buffers.bytes.fill(0);
    assert.equal(preadv(file.raw, buffers.vectors, 1, offset), 3);
    assert.equal(buffers.textAt(0, 3), "far");
  });
});

Deno.test("what fails in a vectored call is a negative errno, never an exception or a signal", () => {
  const buffers = new Buffers(16);
  const { vectors } = buffers;
  const count = buffers.text("hello");
  assert.equal(readv(1_000_000, vectors, count), -EBADF);
  using zero = Fd.open("/dev/zero", O_RDWR);
  using full = Fd.open("/dev/full", O_RDWR);
  assert.equal(writev(full.raw, vectors, count), -ENOSPC);
  const wild = new IoVectors(1);
  wild.set(0, 4096, 100);
  assert.equal(readv(zero.raw, wild, 1), -EFAULT);
  assert.equal(pwritev(zero.raw, vectors, count, -1), -EINVAL);
  const [near, far] = socketPair("test");
  assert.equal(readv(near.raw, vectors, count), -EAGAIN);
  far.close();
  assert.equal(writev(near.raw, vectors, count), -EPIPE);
  assert.equal(readv(near.raw, vectors, count), 0);
  near.close();
});

Deno.test("vectors that don't exist are refused", () => {
  const vectors = new IoVectors(4);
  for (const [count, first] of [[5, 0], [2, 3], [-1, 0], [1, -1], [NaN, 0], [1, NaN]]) {
    assert.throws(() => readv(0, vectors, count, first), RangeError);
    assert.throws(() => writev(0, vectors, count, first), RangeError);
  }
  assert.throws(() => vectors.set(-1, 0, 0), RangeError);
  assert.throws(() => vectors.set(4, 0, 0), RangeError);
});

Deno.test("a file's status tells its kind, size, blocks and identity", async () => {
  await inDirectory((path) => {
    using file = newFile(`${path}/file`);
    truncate(file.raw, 10 * 2 ** 30, "file");
    const status = fileStatus(file.raw, "file");
    assert.equal(status.kind, "file");
    assert.equal(status.size, 10 * 2 ** 30);
    assert.equal(status.allocated, 0);
    assert.equal(status.sectorSize, 512);
    assert.equal(status.readOnlyDevice, false);
    using again = Fd.open(`${path}/file`, O_RDONLY);
    assert.equal(fileStatus(again.raw, "file").identity, status.identity);
    using other = newFile(`${path}/other`);
    assert.notEqual(fileStatus(other.raw, "file").identity, status.identity);
  });
  const kinds = [["/dev/null", "character device"], ["/", "directory"]];
  for (const [path, kind] of kinds) {
    using fd = Fd.open(path, O_RDONLY);
    assert.equal(fileStatus(fd.raw, path).kind, kind);
  }
  const [near, far] = socketPair("test");
  assert.equal(fileStatus(near.raw, "test").kind, "socket");
  near.close();
  far.close();
  assert.throws(
    () => fileStatus(1_000_000, "nothing"),
    (error: unknown) => error instanceof SysError && error.code === "EBADF",
  );
});

Deno.test(
  `a block device's status has its capacity and sectors${
    hasLoopDevices ? "" : " (needs loop devices)"
  }`,
  { ignore: !hasLoopDevices },
  async () => {
    await inDirectory((path) => {
      using file = newFile(`${path}/disk`);
      truncate(file.raw, 3 << 20, "disk");
      const losetup = (...args: string[]) => {
        const { success, stdout, stderr } = new Deno.Command("losetup", { args }).outputSync();
        assert(success, new TextDecoder().decode(stderr));
        return new TextDecoder().decode(stdout).trim();
      };
      const device = losetup(
        "--find",
        "--show",
        "--sector-size",
        "4096",
        "--read-only",
        `${path}/disk`,
      );
      try {
        using fd = Fd.open(device, O_RDONLY);
        const status = fileStatus(fd.raw, device);
        assert.equal(status.kind, "block device");
        assert.equal(status.size, 3 << 20);
        assert.equal(status.sectorSize, 4096);
        assert.equal(status.readOnlyDevice, true);
      } finally {
        losetup("--detach", device);
      }
    });
  },
);

Deno.test("a file is allocated, punched and searched for data and holes", async () => {
  await inDirectory((path) => {
    using file = newFile(`${path}/file`);
    assert.equal(fallocate(file.raw, 0, 0, 1 << 20), 0);
    assert.equal(fileStatus(file.raw, "file").size, 1 << 20);
    assert.equal(fileStatus(file.raw, "file").allocated, 1 << 20);
    const buffers = new Buffers(1 << 16);
    buffers.bytes.fill(0x55);
    buffers.point([0, 1 << 16]);
    for (let at = 0; at < 1 << 20; at += 1 << 16) pwritev(file.raw, buffers.vectors, 1, at);
    const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    assert.equal(fallocate(file.raw, mode, 1 << 18, 1 << 17), 0);
    assert.equal(fileStatus(file.raw, "file").size, 1 << 20);
    assert.equal(fileStatus(file.raw, "file").allocated, (1 << 20) - (1 << 17));
    assert.equal(seekHole(file.raw, 0, "file"), 1 << 18);
    assert.equal(seekData(file.raw, 1 << 18, "file"), (1 << 18) + (1 << 17));
    assert.equal(seekHole(file.raw, 1 << 19, "file"), 1 << 20);
    assert.equal(seekData(file.raw, 1 << 20, "file"), undefined);
    assert.throws(() => seekData(file.raw, -1, "file"), RangeError);
    assert.throws(() => truncate(file.raw, 2 ** 60, "file"), RangeError);
    syncData(file.raw, "file");
    syncFile(file.raw, "file");
  });
  assert.equal(fallocate(1_000_000, 0, 0, 4096), -EBADF);
  const [near, far] = socketPair("test");
  assert.throws(
    () => syncFile(near.raw, "a socket"),
    (error: unknown) => error instanceof SysError && error.code === "EINVAL",
  );
  near.close();
  far.close();
});

const ignore = !temporaryFilesTake(O_DIRECT);
const needs = ignore ? " (needs temporary files that take O_DIRECT)" : "";

Deno.test(`O_DIRECT and O_DSYNC reach open, and unaligned memory is told${needs}`, {
  ignore,
}, async () => {
  await inDirectory((path) => {
    using file = newFile(`${path}/direct`, O_DIRECT | O_DSYNC);
    const flags = Deno.readTextFileSync(`/proc/self/fdinfo/${file.raw}`).match(/flags:\s+(\d+)/);
    assert(flags !== null);
    assert.equal(parseInt(flags[1], 8) & (O_DIRECT | O_DSYNC), O_DIRECT | O_DSYNC);
    const buffers = new Buffers(8192, 4096);
    buffers.point([0, 4096]);
    assert.equal(pwritev(file.raw, buffers.vectors, 1, 0), 4096);
    buffers.point([1, 4096]);
    const { direct } = fileStatus(file.raw, "direct");
    // Some file systems take any address; where the kernel says that this one doesn't, it holds to it.
    if (direct !== undefined && direct.memory > 1) {
      assert.equal(pwritev(file.raw, buffers.vectors, 1, 0), -EINVAL);
    }
  });
});

Deno.test("pages given back are zeros afterwards, and cost no memory", () => {
  using memory = createMemFd("pages", 16 * PAGE_SIZE);
  using mapping = new SharedMapping({ fd: memory.raw, size: 16 * PAGE_SIZE, what: "pages" });
  const bytes = mapping.bytes();
  bytes.fill(7);
  assert.equal(fileStatus(memory.raw, "pages").allocated, 16 * PAGE_SIZE);
  const mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  assert.equal(fallocate(memory.raw, mode, 0, 4 * PAGE_SIZE), 0);
  assert.equal(fileStatus(memory.raw, "pages").allocated, 12 * PAGE_SIZE);
  const address = Number(mapping.address);
  assert.equal(discardPages(address + 4 * PAGE_SIZE, PAGE_SIZE, MADV_REMOVE), 0);
  assert.equal(fileStatus(memory.raw, "pages").allocated, 11 * PAGE_SIZE);
  assert.deepEqual([0, 4, 5].map((page) => bytes[page * PAGE_SIZE]), [0, 0, 7]);
  // A shared page's bytes outlive the mapping.
  assert.equal(discardPages(address + 5 * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED), 0);
  assert.equal(bytes[5 * PAGE_SIZE], 7);
  assert.equal(discardPages(address + 1, PAGE_SIZE, MADV_DONTNEED), -EINVAL);
});

Deno.test("a lock keeps other descriptions out until its own is closed", async () => {
  await inDirectory((path) => {
    using one = newFile(`${path}/file`);
    const two = Fd.open(`${path}/file`, O_RDWR);
    using three = Fd.open(`${path}/file`, O_RDWR);
    assert.equal(lockFile(one.raw, "shared", "file"), true);
    assert.equal(lockFile(two.raw, "shared", "file"), true);
    assert.equal(lockFile(two.raw, "exclusive", "file"), false);
    assert.deepEqual(conflictingLock(two.raw, "exclusive", "file"), {
      kind: "shared",
      pid: undefined,
    });
    assert.equal(conflictingLock(three.raw, "shared", "file"), undefined);
    unlockFile(one.raw, "file");
    assert.equal(lockFile(two.raw, "exclusive", "file"), true);
    assert.equal(lockFile(three.raw, "shared", "file"), false);
    assert.equal(conflictingLock(three.raw, "shared", "file")?.kind, "exclusive");
    two.close();
    assert.equal(lockFile(three.raw, "exclusive", "file"), true);
    using reader = Fd.open(`${path}/file`, O_RDONLY);
    using writer = Fd.open(`${path}/file`, O_WRONLY);
    const isEbadf = (error: unknown) => error instanceof SysError && error.code === "EBADF";
    assert.throws(() => lockFile(reader.raw, "exclusive", "file"), isEbadf);
    assert.throws(() => lockFile(writer.raw, "shared", "file"), isEbadf);
  });
});

Deno.test("a lock is seen by other processes", async () => {
  await inDirectory((path) => {
    using file = newFile(`${path}/file`);
    assert(lockFile(file.raw, "exclusive", "file"));
    const code = `
      import { Fd, lockFile, O_RDWR } from ${JSON.stringify(import.meta.resolve("./mod.ts"))};
      const fd = Fd.open(Deno.args[0], O_RDWR);
      Deno.exit(lockFile(fd.raw, "shared", "file") ? 10 : 11);`;
    Deno.writeTextFileSync(`${path}/other.ts`, code);
    const run = () =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--quiet", "--no-config", `${path}/other.ts`, `${path}/file`],
        env: { DENO_NO_UPDATE_CHECK: "1" },
      }).outputSync().code;
    assert.equal(run(), 11);
    unlockFile(file.raw, "file");
    assert.equal(run(), 10);
  });
});
