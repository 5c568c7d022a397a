import assert from "node:assert/strict";
import { Epoll, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "./epoll.ts";
import { SysError } from "./errno.ts";
import { read, writeAll } from "./fd.ts";
import { SHUT_WR, shutdownSocket, socketPair } from "./unix_socket.ts";

Deno.test("epoll reports each change once, with its token", () => {
  const [a, b] = socketPair("a pair");
  using _a = a;
  using _b = b;
  using epoll = new Epoll(4, "a test");
  assert.equal(epoll.add(a.raw, EPOLLIN, 0xffff_fffe), 0);
  assert.equal(epoll.take(), 0);
  writeAll(b.raw, new Uint8Array([1]), "a byte");
  assert.equal(epoll.take(), 1);
  assert.equal(epoll.token(0), 0xffff_fffe);
  assert.equal(epoll.events(0), EPOLLIN);
  assert.equal(epoll.take(), 0, "the same byte is no news");
  writeAll(b.raw, new Uint8Array([2]), "a byte");
  assert.equal(epoll.take(), 1);
  epoll.remove(a.raw);
  writeAll(b.raw, new Uint8Array([3]), "a byte");
  assert.equal(epoll.take(), 0);
  assert.throws(() => epoll.remove(a.raw), SysError);
});

Deno.test("epoll waits for room in a socket whose other end sends no more", () => {
  const [a, b] = socketPair("a pair");
  using _a = a;
  using _b = b;
  using epoll = new Epoll(4, "a test");
  assert.equal(epoll.add(a.raw, EPOLLIN | EPOLLRDHUP, 1), 0);
  const chunk = new Uint8Array(65536);
  assert.throws(() => {
    for (;;) writeAll(a.raw, chunk, "to fill it");
  }, /EAGAIN/);
  assert.equal(shutdownSocket(b.raw, SHUT_WR), 0);
  assert.equal(epoll.take(), 1);
  assert.equal(epoll.events(0), EPOLLIN | EPOLLRDHUP);
  epoll.change(a.raw, EPOLLOUT, 1);
  assert.equal(epoll.take(), 0, "there's no room, and nothing else is asked for");
  assert.throws(() => {
    for (;;) read(b.raw, chunk, "to empty it");
  }, /EAGAIN/);
  assert.equal(epoll.take(), 1);
  assert.equal(epoll.events(0), EPOLLOUT);
  b.close();
  assert.equal(epoll.take(), 1);
  assert(epoll.events(0) & EPOLLHUP);
});
