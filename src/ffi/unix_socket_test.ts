import assert from "node:assert/strict";
import {
  acceptUnix,
  connectUnix,
  EAGAIN,
  ECONNREFUSED,
  ENOENT,
  ENOTSOCK,
  EPIPE,
  Fd,
  listenUnix,
  O_NONBLOCK,
  peerCredentials,
  readv,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  shutdownSocket,
  SOCKET_PATH_LIMIT,
  socketError,
  socketPair,
  SocketPathError,
  SysError,
  writev,
} from "./mod.ts";
import { Buffers, inDirectory, openDescriptors } from "./test_files.ts";

const descriptorFlags = (fd: Fd) =>
  parseInt(Deno.readTextFileSync(`/proc/self/fdinfo/${fd.raw}`).match(/flags:\s+(\d+)/)![1], 8);

Deno.test("a connection carries bytes both ways, half closes, and ends", async () => {
  await inDirectory((path) => {
    const before = openDescriptors();
    {
      using listener = listenUnix(`${path}/socket`, 4, "listener");
      assert.equal(acceptUnix(listener.raw), -EAGAIN);
      using client = new Fd(connectUnix(`${path}/socket`), "client");
      using server = new Fd(acceptUnix(listener.raw), "server");
      for (const fd of [listener, client, server]) {
        assert.equal(descriptorFlags(fd) & O_NONBLOCK, O_NONBLOCK);
        assert.equal(descriptorFlags(fd) & 0o2000000, 0o2000000);
      }
      const buffers = new Buffers(64);
      const { vectors } = buffers;
      assert.equal(writev(client.raw, vectors, buffers.text("ping")), 4);
      buffers.point([0, 64]);
      assert.equal(readv(server.raw, vectors, 1), 4);
      assert.equal(buffers.textAt(0, 4), "ping");
      assert.equal(readv(server.raw, vectors, 1), -EAGAIN);

      assert.equal(shutdownSocket(client.raw, SHUT_WR), 0);
      assert.equal(readv(server.raw, vectors, 1), 0);
      assert.equal(writev(server.raw, vectors, buffers.text("pong")), 4);
      buffers.point([0, 64]);
      assert.equal(readv(client.raw, vectors, 1), 4);
      assert.equal(shutdownSocket(client.raw, SHUT_RD), 0);
      assert.equal(writev(server.raw, vectors, 1), -EPIPE);
      assert.equal(shutdownSocket(server.raw, SHUT_RDWR), 0);
      assert.equal(socketError(server.raw, "server"), 0);
    }
    assert.equal(openDescriptors(), before);
  });
});

Deno.test("connecting fails by an errno that tells the case, and leaves no descriptor", async () => {
  await inDirectory((path) => {
    const before = openDescriptors();
    assert.equal(connectUnix(`${path}/nobody`), -ENOENT);
    listenUnix(`${path}/ended`, 1, "ended").close();
    assert.equal(connectUnix(`${path}/ended`), -ECONNREFUSED);
    using _listener = listenUnix(`${path}/full`, 0, "full");
    using _one = new Fd(connectUnix(`${path}/full`), "first");
    assert.equal(connectUnix(`${path}/full`), -EAGAIN);
    assert.equal(openDescriptors(), before + 2);
  });
});

Deno.test("listening where there's a file already, or where there's no directory, is a typed error", async () => {
  await inDirectory((path) => {
    const before = openDescriptors();
    using _listener = listenUnix(`${path}/socket`, 1, "vsock0");
    const code = (expected: string) => (error: unknown) => {
      assert(error instanceof SysError, String(error));
      assert.equal(error.code, expected);
      assert.match(error.message, /^vsock0: bind\("/);
      return true;
    };
    assert.throws(() => listenUnix(`${path}/socket`, 1, "vsock0"), code("EADDRINUSE"));
    assert.throws(() => listenUnix(`${path}/no/socket`, 1, "vsock0"), code("ENOENT"));
    assert.equal(openDescriptors(), before + 1);
  });
});

Deno.test("a path of 107 bytes is the longest there can be", async () => {
  await inDirectory((path) => {
    const longest = `${path}/${"x".repeat(SOCKET_PATH_LIMIT - path.length - 1)}`;
    using _listener = listenUnix(longest, 1, "longest");
    new Fd(connectUnix(longest), "client").close();
    const isTyped = (error: unknown) => {
      assert(error instanceof SocketPathError);
      assert.equal(error.path, `${longest}x`);
      assert.match(error.message, /is 108 bytes long, and Linux allows 107: use a shorter/);
      return true;
    };
    assert.throws(() => listenUnix(`${longest}x`, 1, "too long"), isTyped);
    assert.throws(() => connectUnix(`${longest}x`), isTyped);
  });
  assert.throws(() => connectUnix(""), /is empty/);
  assert.throws(() => connectUnix("a\0b"), /NUL/);
});

Deno.test("socket calls on what is no socket fail", () => {
  using file = Fd.open("/dev/null", 0);
  assert.equal(shutdownSocket(file.raw, SHUT_WR), -ENOTSOCK);
  assert.equal(acceptUnix(file.raw), -ENOTSOCK);
  assert.throws(
    () => socketError(file.raw, "null"),
    (error: unknown) => error instanceof SysError && error.code === "ENOTSOCK",
  );
  assert.throws(
    () => peerCredentials(file.raw, "null"),
    (error: unknown) => error instanceof SysError && error.code === "ENOTSOCK",
  );
});

Deno.test("the kernel tells who is at the other end", async () => {
  await inDirectory((path) => {
    using listener = listenUnix(`${path}/socket`, 1, "listener");
    using client = new Fd(connectUnix(`${path}/socket`), "client");
    using server = new Fd(acceptUnix(listener.raw), "server");
    const us = { pid: Deno.pid, uid: Deno.uid(), gid: Deno.gid() };
    assert.deepEqual(peerCredentials(server.raw, "server"), us);
    assert.deepEqual(peerCredentials(client.raw, "client"), us);
  });
});

Deno.test("the two sockets of a pair are connected to each other", () => {
  const [near, far] = socketPair("pair");
  using _near = near;
  using _far = far;
  const buffers = new Buffers(16);
  assert.equal(writev(near.raw, buffers.vectors, buffers.text("hi")), 2);
  buffers.point([8, 8]);
  assert.equal(readv(far.raw, buffers.vectors, 1), 2);
  assert.equal(buffers.textAt(8, 2), "hi");
});
