import assert from "node:assert/strict";
import {
  EAGAIN,
  Fd,
  makeRaw,
  O_NOCTTY,
  O_NONBLOCK,
  O_RDWR,
  openPty,
  readv,
  restoreTerminal,
  setWindowSize,
  SysError,
  windowSize,
  writev,
} from "./mod.ts";
import { Buffers, openDescriptors } from "./test_files.ts";

const stty = (path: string, ...args: string[]) => {
  const command = new Deno.Command("stty", { args: ["-F", path, ...args] });
  const { success, stdout, stderr } = command.outputSync();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
};

Deno.test("a pair of terminals passes bytes on unchanged, whoever has the other end open", () => {
  const before = openDescriptors();
  {
    using pty = openPty("console");
    const { controller, path } = pty;
    const buffers = new Buffers(64);
    const { vectors } = buffers;
    buffers.point([0, 64]);
    assert.equal(readv(controller.raw, vectors, 1), -EAGAIN);
    {
      using user = Fd.open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
      // Without raw mode ^C would be a signal, and a line feed would gain a carriage return.
      assert.equal(writev(controller.raw, vectors, buffers.text("\x03a\r\n")), 4);
      buffers.point([0, 64]);
      assert.equal(readv(user.raw, vectors, 1), 4);
      assert.equal(buffers.textAt(0, 4), "\x03a\r\n");
      assert.equal(writev(user.raw, vectors, buffers.text("b\n")), 2);
      buffers.point([0, 64]);
      assert.equal(readv(controller.raw, vectors, 1), 2);
      assert.equal(buffers.textAt(0, 2), "b\n");
    }
    assert.equal(readv(controller.raw, vectors, 1), -EAGAIN);
  }
  assert.equal(openDescriptors(), before);
});

Deno.test("a terminal's settings come back as they were", () => {
  using pty = openPty("console");
  stty(pty.path, "sane");
  const sane = stty(pty.path, "-g");
  const settings = makeRaw(pty.terminal.raw, "console");
  assert.notEqual(stty(pty.path, "-g"), sane);
  assert.match(stty(pty.path, "-a"), /-icanon/);
  restoreTerminal(pty.terminal.raw, settings, "console");
  assert.equal(stty(pty.path, "-g"), sane);
});

Deno.test("a window's size is what the other end was told", () => {
  using pty = openPty("console");
  assert.deepEqual(windowSize(pty.terminal.raw), { columns: 0, rows: 0 });
  setWindowSize(pty.controller.raw, { columns: 132, rows: 43 });
  assert.deepEqual(windowSize(pty.terminal.raw), { columns: 132, rows: 43 });
  assert.equal(stty(pty.path, "size"), "43 132\n");
});

Deno.test("what is no terminal says so", () => {
  using file = Fd.open("/dev/null", O_RDWR);
  const isEnotty = (error: unknown) => error instanceof SysError && error.code === "ENOTTY";
  assert.throws(() => windowSize(file.raw), isEnotty);
  assert.throws(() => makeRaw(file.raw, "console"), isEnotty);
});
