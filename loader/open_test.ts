import assert from "node:assert/strict";
import { GuestMemory } from "../src/memory/mod.ts";
import { ImageFileError } from "./errors.ts";
import { loadKernel } from "./load.ts";
import { fileError, openImage } from "./open.ts";
import { pattern } from "./test_images.ts";

/** Runs `action` with a directory of its own. */
function inTempDir(action: (directory: string) => void): void {
  const directory = Deno.makeTempDirSync({ prefix: "denovisor-loader-" });
  try {
    action(directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function errorOf(path: string): ImageFileError {
  try {
    openImage(path, "kernel")[Symbol.dispose]();
  } catch (error) {
    assert.ok(error instanceof ImageFileError, String(error));
    assert.equal(error.file, path);
    return error;
  }
  return assert.fail("no error");
}

Deno.test("a file is read at any offset, straight into guest memory", () => {
  inTempDir((directory) => {
    const path = `${directory}/image`;
    Deno.writeFileSync(path, pattern(10_000, 3));
    using image = openImage(path, "initrd");
    assert.equal(image.size, 10_000);
    assert.equal(image.name, path);
    const memory = GuestMemory.forTest(0x4000);
    image.read(5000, memory.slice(0x1000, 5000));
    image.read(0, memory.slice(0x3000, 16));
    assert.deepEqual(memory.readBytes(0x1000, 5000), pattern(10_000, 3).subarray(5000));
    assert.deepEqual(memory.readBytes(0x3000, 16), pattern(16, 3));
  });
});

Deno.test("a missing file, a directory, an empty file and a device are told apart", () => {
  inTempDir((directory) => {
    const missing = errorOf(`${directory}/nothing`);
    assert.equal(missing.message, `${directory}/nothing: there is no such kernel; check the path`);
    assert.ok(missing.cause instanceof Deno.errors.NotFound);
    const folder = errorOf(directory);
    assert.match(folder.message, /this is a directory, not a kernel; give a file in it/);
    assert.equal(folder.value, "directory");
    Deno.writeFileSync(`${directory}/empty`, new Uint8Array(0));
    assert.match(errorOf(`${directory}/empty`).message, /the kernel is an empty file/);
    assert.match(errorOf("/dev/null").message, /this is a character device/);
    Deno.writeTextFileSync(`${directory}/file`, "x");
    assert.match(
      errorOf(`${directory}/file/below`).message,
      /can't open the kernel: Not a directory/,
    );
    assert.match(errorOf("").message, /there is no such kernel/);
  });
});

Deno.test("a FIFO that nobody writes to is refused and not waited for", () => {
  inTempDir((directory) => {
    const path = `${directory}/fifo`;
    assert.ok(new Deno.Command("mkfifo", { args: [path] }).outputSync().success);
    assert.match(errorOf(path).message, /this is a FIFO, not a kernel; copy its contents/);
  });
});

Deno.test({
  name: "a file without permission is refused with how to give it (needs a user other than root)",
  ignore: Deno.uid() === 0,
  fn: () => {
    inTempDir((directory) => {
      const path = `${directory}/image`;
      Deno.writeFileSync(path, pattern(10, 1), { mode: 0 });
      const error = errorOf(path);
      assert.equal(error.field, "mode");
      assert.match(error.message, /no permission to open the kernel; let this user read it/);
    });
  },
});

Deno.test("what the host says about a file is put in terms of the file, and kept as the cause", () => {
  const denied = new Deno.errors.PermissionDenied("Permission denied (os error 13)");
  const error = fileError("/boot/vmlinuz", "kernel", "read", denied);
  assert.equal(
    error.message,
    "/boot/vmlinuz: no permission to read the kernel; let this user read it (chmod, chown)",
  );
  assert.equal(error.cause, denied);
  const io = fileError("/boot/vmlinuz", "kernel", "read", new Error("Input/output error"));
  assert.match(
    io.message,
    /can't read the kernel: Input\/output error; check the path and the disk/,
  );
});

Deno.test({
  name: "without --allow-read, the error says so",
  permissions: { read: false },
  fn: () => assert.match(errorOf("/etc/passwd").message, /run it with --allow-read/),
});

Deno.test("a file that shrinks while it is loaded gives an error with the place", () => {
  inTempDir((directory) => {
    const path = `${directory}/image`;
    Deno.writeFileSync(path, pattern(10_000, 3));
    using image = openImage(path, "kernel");
    Deno.truncateSync(path, 6000);
    const options = { protocol: "flat", flat: { address: 0 } } as const;
    assert.throws(() => loadKernel(GuestMemory.forTest(0x4000), image, options), (error) => {
      assert.ok(error instanceof ImageFileError);
      assert.match(error.message, /ended at byte 6000, but had 10000 bytes when it was opened/);
      return true;
    });
  });
});

Deno.test("files are closed when they are disposed of, and when they are refused", () => {
  const count = () => Array.from(Deno.readDirSync("/proc/self/fd")).length;
  inTempDir((directory) => {
    Deno.writeFileSync(`${directory}/image`, pattern(10, 1));
    Deno.writeFileSync(`${directory}/empty`, new Uint8Array(0));
    const before = count();
    for (let i = 0; i < 20; i++) {
      using image = openImage(`${directory}/image`, "kernel");
      assert.equal(image.size, 10);
      errorOf(`${directory}/empty`);
      errorOf(directory);
    }
    assert.equal(count(), before);
  });
});

Deno.test("a file that has been closed gives an ImageFileError when it is read", () => {
  inTempDir((directory) => {
    Deno.writeFileSync(`${directory}/image`, pattern(10, 1));
    const image = openImage(`${directory}/image`, "module");
    image[Symbol.dispose]();
    assert.throws(() => image.read(0, new Uint8Array(1)), ImageFileError);
  });
});
