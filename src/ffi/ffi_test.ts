import assert from "node:assert/strict";
import {
  createMemFd,
  currentThread,
  EventFd,
  Fd,
  HUGE_PAGE_SIZE,
  kickThread,
  liveMappings,
  O_RDONLY,
  PAGE_SIZE,
  read,
  SharedMapping,
  signalEventFd,
  SysError,
  writeAll,
} from "./mod.ts";

Deno.test("a failed call tells the call, the errno's name and what it was for", () => {
  assert.throws(() => Fd.open("/no/such/file", O_RDONLY, "the kernel"), (error: unknown) => {
    assert(error instanceof SysError);
    assert.equal(error.code, "ENOENT");
    assert.match(error.message, /^the kernel: open\("\/no\/such\/file"\) failed with ENOENT \(/);
    return true;
  });
});

Deno.test("a descriptor is closed once and says so afterwards", () => {
  const fd = Fd.open("/dev/null", O_RDONLY);
  assert(fd.raw > 2);
  fd.close();
  fd.close();
  assert(fd.closed);
  assert.throws(() => fd.raw, /\/dev\/null is closed/);
});

Deno.test("an eventfd counts its signals and is empty once drained", () => {
  using event = new EventFd("test");
  assert.equal(event.drain(), 0n);
  event.signal();
  signalEventFd(event.raw);
  assert.equal(event.drain(), 2n);
  assert.equal(event.drain(), 0n);
});

Deno.test("a full eventfd takes a further signal without blocking", () => {
  using event = new EventFd("test");
  const full = new Uint8Array(new BigUint64Array([0xffff_ffff_ffff_fffen]).buffer);
  writeAll(event.raw, full, "test");
  event.signal();
  assert.equal(event.drain(), 0xffff_ffff_ffff_fffen);
});

Deno.test("a mapping shows the descriptor's bytes, aligned as asked, and zeros once released", () => {
  const before = liveMappings();
  using fd = createMemFd("test", 4 * PAGE_SIZE);
  const mapping = new SharedMapping({
    fd: fd.raw,
    size: 2 * PAGE_SIZE,
    fileOffset: PAGE_SIZE,
    align: HUGE_PAGE_SIZE,
    what: "test pages",
  });
  assert.equal(mapping.address % BigInt(HUGE_PAGE_SIZE), 0n);
  assert.equal(liveMappings(), before + 1);
  mapping.bytes()[0] = 0x5a;
  using whole = new SharedMapping({ fd: fd.raw, size: 4 * PAGE_SIZE, what: "the same pages" });
  assert.equal(whole.bytes()[PAGE_SIZE], 0x5a);
  mapping.release();
  mapping.release();
  assert.equal(mapping.bytes()[0], 0);
  assert.equal(whole.bytes()[PAGE_SIZE], 0x5a);
  assert.equal(liveMappings(), before + 1);
});

Deno.test("a mapping of a size that is not whole pages is refused", () => {
  using fd = createMemFd("test", PAGE_SIZE);
  for (const size of [0, -PAGE_SIZE, 100, NaN]) {
    assert.throws(() => new SharedMapping({ fd: fd.raw, size, what: "odd" }), /whole pages/);
  }
});

Deno.test("mapping a descriptor that can't be mapped is a typed error", () => {
  using event = new EventFd("test");
  assert.throws(
    () => new SharedMapping({ fd: event.raw, size: PAGE_SIZE, what: "no memory" }),
    (error: unknown) => error instanceof SysError && error.code === "ENODEV",
  );
});

Deno.test("read gives what was written, and zero at the end", () => {
  using fd = createMemFd("test", 0);
  writeAll(fd.raw, new TextEncoder().encode("hello"), "test");
  using again = Fd.open(`/proc/self/fd/${fd.raw}`, O_RDONLY);
  const into = new Uint8Array(16);
  assert.equal(read(again.raw, into, "test"), 5);
  assert.equal(new TextDecoder().decode(into.subarray(0, 5)), "hello");
  assert.equal(read(again.raw, into, "test"), 0);
});

Deno.test("a kick of this thread is harmless, and one of a dead thread is reported", () => {
  assert.equal(kickThread(currentThread()), true);
  // Linux's default pid_max is 2^22, so no thread has this number.
  assert.equal(kickThread(0x7fff_fff0), false);
});
