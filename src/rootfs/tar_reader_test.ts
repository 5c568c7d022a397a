import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { withFolder } from "../host/testing.ts";
import { run, runText } from "./command.ts";
import { RootfsError } from "./errors.ts";
import { regionBytes } from "./region.ts";
import { latin1, tarEntries } from "./tar_reader.ts";
import { tarPieces } from "./tar_writer.ts";
import { bytesOf, makeTar, readTar, treeList, writeFiles } from "./testing.ts";
import { Tree } from "./tree.ts";

/** A folder with what is hard about archives, in the folder "in". */
async function makeFolder(folder: string): Promise<void> {
  const deep = Array.from({ length: 20 }, (_, i) => `folder-number-${i}`).join("/");
  await writeFiles(join(folder, "in"), {
    "a/file": "content",
    "a/empty": "",
    "a/large": new Uint8Array(700_001).fill(7),
    [`long/${deep}/file`]: "deep",
    [`a/${"n".repeat(100)}`]: "exactly a hundred",
    [`a/${"n".repeat(255)}`]: "as long as can be",
    "a/ü ✓": "unicode",
  });
  const inside = join(folder, "in");
  await Deno.symlink(`${deep}/file`, join(inside, "long/link"));
  await Deno.symlink("/etc/passwd", join(inside, "absolute"));
  await Deno.link(join(inside, "a/file"), join(inside, "a/zweiter"));
  await run(["mkfifo", join(inside, "pipe")]);
  await Deno.chmod(join(inside, "a/file"), 0o4751);
  await Deno.chmod(join(inside, "a"), 0o1777);
}

for (const format of ["gnu", "posix", "ustar", "oldgnu"]) {
  Deno.test(`a ${format} archive of GNU tar's is read as find(1) sees the folder`, () =>
    withFolder(async (folder) => {
      await makeFolder(folder);
      const left = format === "ustar" ? ["--exclude=long/*", "--exclude=n*"] : [];
      await run([
        "tar",
        `--format=${format}`,
        ...left,
        "-cf",
        join(folder, "t.tar"),
        "-C",
        join(folder, "in"),
        ".",
      ]);
      const wanted = await runText(["find", "-printf", "%P %m %U %G %y %l\n"], {
        cwd: join(folder, "in"),
      });
      const tree = new Tree("t");
      const found: string[] = [];
      for (const entry of await readTar(join(folder, "t.tar"))) {
        tree.add(entry, false);
        const kind = { file: "f", link: "f", directory: "d", symlink: "l", fifo: "p" }[
          entry.type as "file"
        ];
        const path = entry.path.replace(/^\.\//, "").replace(/\/$/, "");
        const target = entry.type === "symlink" ? entry.target : "";
        found.push(`${path} ${entry.mode.toString(8)} ${entry.uid} ${entry.gid} ${kind} ${target}`);
      }
      const lines = bytesOf(wanted).split("\n").filter((line) => {
        return line !== "" && !(left.length > 0 && /^long\/|^a\/n/.test(line));
      });
      assert.deepEqual(found.sort(), lines.sort());
      const large = tree.find("a/large");
      assert(large?.type === "file");
      assert.deepEqual(await regionBytes(large.content, 1 << 20), new Uint8Array(700_001).fill(7));
      assert.equal(tree.find("a/file"), tree.find("a/zweiter"));
    }));
}

Deno.test({
  name: "extended attributes, large numbers and times survive GNU tar, the tree and our writer",
  ignore: Deno.uid() !== 0,
  fn: () =>
    withFolder(async (folder) => {
      await makeFolder(folder);
      await run(["chown", "-h", "3000000000:4000000000", join(folder, "in/a/file")]);
      await run(["touch", "-d", "@1234567890", join(folder, "in/a/file")]);
      await run(["mknod", join(folder, "in/null"), "c", "1", "3"]);
      const tar = ["tar", "--format=posix", "-C", folder, "--sort=name"] as const;
      await run([...tar, "-cf", join(folder, "one.tar"), "in"]);
      const tree = new Tree("t");
      for (const entry of await readTar(join(folder, "one.tar"))) {
        const xattrs = new Map([["user.note", "\x00\xff=\n"]]);
        tree.add(entry.path === "in/a/empty" ? { ...entry, xattrs } : entry, false);
      }
      const again = join(folder, "two.tar");
      await Deno.writeFile(again, ReadableStream.from(tarPieces(tree)));
      await Deno.mkdir(join(folder, "out"));
      await run([
        "tar",
        "-xpf",
        again,
        "-C",
        join(folder, "out"),
        "--xattrs",
        "--xattrs-include=*",
      ]);
      const list = (where: string) =>
        runText(["find", "-printf", "%P %m %U %G %y %l %n %s %TY-%Tm-%Td\n"], { cwd: where });
      const sizeless = (text: string) =>
        text.split("\n").filter((line) => line.includes(" f ") || line.includes(" l ")).sort();
      assert.deepEqual(
        sizeless(await list(join(folder, "out/in"))),
        sizeless(await list(join(folder, "in"))),
      );
      const paths = (text: string) =>
        text.split("\n").map((line) => line.split(" ").slice(0, 5).join(" ")).sort();
      assert.deepEqual(
        paths(await list(join(folder, "out/in"))),
        paths(await list(join(folder, "in"))),
      );
      const entries = await readTar(again);
      const empty = entries.find(({ path }) => path === "in/a/empty");
      assert.deepEqual([...empty?.xattrs ?? []], [["user.note", "\x00\xff=\n"]]);
      const file = entries.find(({ path }) => path === "in/a/file");
      assert.deepEqual([file?.uid, file?.gid, file?.mtime], [3000000000, 4000000000, 1234567890]);
    }),
});

Deno.test("what our writer writes is the tree that was read", () =>
  withFolder(async (folder) => {
    await makeFolder(folder);
    await run(["tar", "-cf", join(folder, "one.tar"), "-C", folder, "in"]);
    const trees = [new Tree("1"), new Tree("2")];
    for (const entry of await readTar(join(folder, "one.tar"))) trees[0].add(entry, false);
    await Deno.writeFile(join(folder, "two.tar"), ReadableStream.from(tarPieces(trees[0])));
    for (const entry of await readTar(join(folder, "two.tar"))) trees[1].add(entry, false);
    assert.deepEqual(treeList(trees[1]), treeList(trees[0]));
    const listing = await runText(["tar", "-tf", join(folder, "two.tar")]);
    assert.equal(listing.trim().split("\n").length, treeList(trees[0]).length);
  }));

for (
  const [what, change, problem] of [
    ["damaged", (bytes: Uint8Array) => void (bytes[5] ^= 1), /checksum/],
    ["cut off", (bytes: Uint8Array) => bytes.subarray(0, 800), /cut off/],
    ["of a kind that isn't known", (bytes: Uint8Array) => retype(bytes, "Z"), /kind "Z"/],
    ["sparse", (bytes: Uint8Array) => retype(bytes, "S"), /sparse/],
    ["of an endless name", (bytes: Uint8Array) => retype(bytes, "L", "7777777"), /256 KiB/],
  ] as const
) {
  Deno.test(`an archive that is ${what} is an error that says so`, () =>
    withFolder(async (folder) => {
      const bytes = makeTar([{ path: "f", data: "x".repeat(600) }]);
      await Deno.writeFile(join(folder, "t"), change(bytes) ?? bytes);
      await assert.rejects(readTar(join(folder, "t")), (error) => {
        assert(error instanceof RootfsError);
        assert.match(error.message, problem);
        return true;
      });
    }));
}

/** Makes the first entry another kind and size, with the right checksum. */
function retype(bytes: Uint8Array, flag: string, size?: string): undefined {
  bytes[156] = flag.charCodeAt(0);
  if (size !== undefined) new TextEncoder().encodeInto(size.padStart(11, "0"), bytes.subarray(124));
  bytes.fill(0x20, 148, 156);
  const sum = bytes.subarray(0, 512).reduce((a, b) => a + b, 0);
  new TextEncoder().encodeInto(`${sum.toString(8).padStart(6, "0")}\0 `, bytes.subarray(148));
}

Deno.test("whatever an archive holds, reading it gives entries or a typed error", () =>
  withFolder((folder) =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(2047), fc.nat(255)), { maxLength: 6 }),
        fc.constantFrom("0", "1", "5", "L", "K", "x", "g", "\0"),
        fc.string({ unit: "binary-ascii", maxLength: 400 }),
        async (damage, type, data) => {
          const bytes = makeTar([{ path: "a/b", type, data }, { path: "c", data: "more" }]);
          for (const [at, byte] of damage) if (at < bytes.length) bytes[at] = byte;
          // Half of the time the checksum is right, so that what is behind it is reached.
          if (damage.length % 2 === 0) retype(bytes, latin1(bytes.subarray(156, 157)));
          const file = join(folder, "t");
          await Deno.writeFile(file, bytes);
          try {
            const region = { file, offset: 0, size: bytes.length };
            for await (const { content } of tarEntries(region, "t")) {
              assert(content.offset >= 0 && content.offset + content.size <= bytes.length);
            }
          } catch (error) {
            assert(error instanceof RootfsError, String(error));
          }
        },
      ),
      { numRuns: 300 },
    )
  ));
