/**
 * Tests of the cpio writer against a reader written from the kernel's buffer-format text.
 * `tests/assets/cpio_oracle_test.ts` holds it against busybox's cpio.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { cpioArchive, type CpioEntry, CpioError, cpioPieces } from "./cpio.ts";

interface Read {
  name: string;
  ino: number;
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  mtime: number;
  rdev: [number, number];
  data: Uint8Array;
}

/** Reads a newc archive, asserting everything that the format demands. */
function readCpio(archive: Uint8Array): Read[] {
  const entries: Read[] = [];
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let at = 0;
  while (true) {
    assert.equal(at % 4, 0, "a header is aligned to four bytes");
    const header = decoder.decode(archive.subarray(at, at + 110));
    assert.match(header, /^070701[0-9a-f]{104}$/);
    const field = (index: number) => parseInt(header.slice(6 + 8 * index, 14 + 8 * index), 16);
    const nameEnd = at + 110 + field(11);
    assert.equal(archive[nameEnd - 1], 0, "the name ends with NUL");
    const name = decoder.decode(archive.subarray(at + 110, nameEnd - 1));
    const dataStart = Math.ceil(nameEnd / 4) * 4;
    const dataEnd = dataStart + field(6);
    const next = Math.ceil(dataEnd / 4) * 4;
    assert.ok(next <= archive.length, "the archive is not cut off");
    assert.ok(archive.subarray(nameEnd, dataStart).every((byte) => byte === 0));
    assert.ok(archive.subarray(dataEnd, next).every((byte) => byte === 0));
    at = next;
    if (name === "TRAILER!!!") {
      assert.equal(at, archive.length, "nothing follows the trailer");
      return entries;
    }
    entries.push({
      name,
      ino: field(0),
      mode: field(1),
      uid: field(2),
      gid: field(3),
      nlink: field(4),
      mtime: field(5),
      rdev: [field(9), field(10)],
      data: archive.slice(dataStart, dataEnd),
    });
  }
}

Deno.test("each kind of entry is written with its type, mode, owner and data", () => {
  const read = readCpio(cpioArchive([
    { path: "/init", type: "file", mode: 0o4755, uid: 7, gid: 8, data: "#!/bin/sh\n" },
    { path: "bin", type: "directory" },
    { path: "bin/sh", type: "symlink", target: "busybox" },
    { path: "console", type: "character-device", major: 5, minor: 1 },
    { path: "vda", type: "block-device", major: 254, minor: 0, mode: 0o660 },
    { path: "pipe", type: "fifo" },
  ]));
  const summary = read.map(({ name, mode, uid, gid, rdev, data }) => [
    name,
    mode.toString(8),
    uid,
    gid,
    rdev.join(),
    new TextDecoder().decode(data),
  ]);
  assert.deepEqual(summary, [
    ["init", "104755", 7, 8, "0,0", "#!/bin/sh\n"],
    ["bin", "40755", 0, 0, "0,0", ""],
    ["bin/sh", "120777", 0, 0, "0,0", "busybox"],
    ["console", "20600", 0, 0, "5,1", ""],
    ["vda", "60660", 0, 0, "254,0", ""],
    ["pipe", "10600", 0, 0, "0,0", ""],
  ]);
});

Deno.test("inode numbers differ, times are zero, and the same entries give the same bytes", () => {
  const entries: CpioEntry[] = [
    { path: "a/b", type: "file", data: "one" },
    { path: "a/c", type: "file", data: "two" },
  ];
  const read = readCpio(cpioArchive(entries));
  assert.deepEqual(read.map((entry) => entry.ino), [1, 2, 3]);
  assert.ok(read.every((entry) => entry.mtime === 0));
  assert.deepEqual(read.map((entry) => entry.nlink), [2, 1, 1]);
  assert.deepEqual(cpioArchive(entries), cpioArchive(entries));
});

Deno.test("directories above an entry are added once, with the mode of their own entry", () => {
  const read = readCpio(cpioArchive([
    { path: "a/b/c", type: "file", data: "" },
    { path: "a/b/d", type: "file", data: "" },
    { path: "a/b", type: "directory", mode: 0o700 },
  ]));
  assert.deepEqual(
    read.map(({ name, mode }) => `${name} ${mode.toString(8)}`),
    ["a 40755", "a/b 40700", "a/b/c 100644", "a/b/d 100644"],
  );
});

Deno.test("an archive without entries is a trailer", () => {
  assert.deepEqual(readCpio(cpioArchive([])), []);
});

Deno.test("file data is passed on without a copy", () => {
  const data = new Uint8Array(1 << 20);
  const pieces = [...cpioPieces([{ path: "big", type: "file", data }])];
  assert.ok(pieces.includes(data));
});

const refused: [string, CpioEntry[], RegExp][] = [
  ["an empty path", [{ path: "", type: "directory" }], /has no name/],
  ["the root", [{ path: "/", type: "directory" }], /has no name/],
  ["..", [{ path: "a/../b", type: "directory" }], /"\.\." cannot be a part/],
  [".", [{ path: "./a", type: "directory" }], /"\." cannot be a part/],
  ["a doubled slash", [{ path: "a//b", type: "directory" }], /"" cannot be a part/],
  ["a trailing slash", [{ path: "a/", type: "directory" }], /"" cannot be a part/],
  ["NUL in a name", [{ path: "a\0b", type: "directory" }], /NUL in its name/],
  ["half a surrogate pair", [{ path: "a\ud800", type: "directory" }], /not valid Unicode/],
  ["the trailer's name", [{ path: "TRAILER!!!", type: "directory" }], /ends an archive/],
  ["a long component", [{ path: "a".repeat(256), type: "directory" }], /longer than 255 bytes/],
  ["a long name", [{ path: "a/".repeat(2047) + "ab", type: "fifo" }], /longer than 4095 bytes/],
  ["an empty link", [{ path: "a", type: "symlink", target: "" }], /link target is empty/],
  ["a long link", [{ path: "a", type: "symlink", target: "x".repeat(4096) }], /4095 bytes/],
  ["NUL in a link", [{ path: "a", type: "symlink", target: "x\0" }], /NUL in its link/],
  ["type bits in a mode", [{ path: "a", type: "fifo", mode: 0o10000 }], /mode 4096 is not/],
  ["a negative owner", [{ path: "a", type: "fifo", uid: -1 }], /uid -1 is not/],
  ["half a group", [{ path: "a", type: "fifo", gid: 0.5 }], /gid 0.5 is not/],
  ["a large major", [
    { path: "a", type: "character-device", major: 4096, minor: 0 },
  ], /major 4096 is not/],
  ["two entries with one path", [
    { path: "a", type: "fifo" },
    { path: "/a", type: "fifo" },
  ], /in the archive twice/],
  ["an entry below a file", [
    { path: "a/b", type: "fifo" },
    { path: "a", type: "file", data: "" },
  ], /is below a, which is a file/],
];

for (const [what, entries, message] of refused) {
  Deno.test(`${what} is refused with an error that names the entry`, () => {
    assert.throws(() => cpioPieces(entries), (error) => {
      assert.ok(error instanceof CpioError);
      assert.match(error.message, message);
      assert.ok(entries.some((entry) => entry.path === error.path));
      return true;
    });
  });
}

Deno.test("whatever files are written are read back the same", () => {
  const component = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 })
    .filter((name) => !/[/\0]/.test(name) && name !== "." && name !== ".." && name.isWellFormed());
  const path = fc.array(component, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  const data = fc.uint8Array({ maxLength: 40 });
  fc.assert(fc.property(
    fc.uniqueArray(fc.record({ path, data }, { noNullPrototype: true }), {
      selector: (file) => file.path,
      maxLength: 12,
    }),
    (files) => {
      const names = new Set(files.map((file) => file.path));
      const nested = files.some((file) =>
        file.path.split("/").some((_, i, parts) => i > 0 && names.has(parts.slice(0, i).join("/")))
      );
      const entries = files.map((file): CpioEntry => ({ ...file, type: "file" }));
      if (nested || names.has("TRAILER!!!")) {
        assert.throws(() => cpioArchive(entries), CpioError);
        return;
      }
      const read = readCpio(cpioArchive(entries)).filter((entry) => entry.mode === 0o100644);
      assert.deepEqual(read.map(({ name, data }) => ({ path: name, data })), files);
    },
  ));
});
