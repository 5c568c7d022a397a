import assert from "node:assert/strict";
import { join } from "node:path";
import { withFolder } from "../host/testing.ts";
import { findCommand, run, runText } from "./command.ts";
import { bytesOf, tarEntry } from "./testing.ts";
import { Tree } from "./tree.ts";
import { treeImage } from "./tree_image.ts";

const tools = (...names: string[]) => names.every((name) => findCommand(name) !== undefined);
const ext4 = tools("mkfs.ext4", "debugfs", "e2fsck");

/** cap_net_raw, effective and permitted: struct vfs_cap_data, revision 2 (linux/capability.h). */
const CAPABILITY = "\x01\0\0\x02\0\x20\0\0" + "\0".repeat(12);

/** A tree with all that only root may make. */
function hardTree(): Tree {
  const tree = new Tree("t");
  const xattrs = new Map([["security.capability", CAPABILITY]]);
  tree.add(tarEntry("bin/ping", "file", { mode: 0o4755, xattrs }), false);
  tree.add(tarEntry("bin/pong", "link", { target: "bin/ping" }), false);
  const note = new Map([["user.note", "=\\ \n"]]);
  tree.add(tarEntry(bytesOf('a "b" \\ \n ü'), "file", { uid: 12, gid: 34, xattrs: note }), false);
  tree.add(tarEntry("null", "character", { major: 1, minor: 3, mode: 0o666 }), false);
  tree.add(tarEntry("link", "symlink", { target: "/etc/passwd", uid: 7 }), false);
  tree.add(tarEntry("closed", "directory", { mode: 0o000, uid: 5 }), false);
  tree.add(tarEntry("closed/inside", "file", { mode: 0o000 }), false);
  return tree;
}

for (const fakeroot of [false, true]) {
  Deno.test({
    name: `owners, modes, devices and attributes are kept ${
      fakeroot ? "under fakeroot" : "by root"
    }`,
    ignore: !ext4 || (fakeroot ? !tools("fakeroot", "setfattr") : Deno.uid() !== 0),
    fn: () =>
      withFolder(async (folder) => {
        const image = join(folder, "image");
        await treeImage(hardTree(), folder, image, { fakeroot });
        await run(["e2fsck", "-fn", image]);
        const ask = (request: string) => runText(["debugfs", "-R", request, image]);
        const ping = await ask("stat /bin/ping");
        assert.match(ping, /Type: regular +Mode: +04755 [^]*User: +0 +Group: +0 [^]*Links: 2/);
        assert.match(ping, /security\.capability \(20\) = 01 00 00 02 00 20 00 00 /);
        assert.match(await ask("stat /null"), /Type: character special +Mode: +0666[^]*01:03/);
        assert.match(await ask("stat /link"), /User: +7 [^]*Fast link dest: "\/etc\/passwd"/);
        assert.match(await ask("stat /closed"), /Type: directory +Mode: +0000 [^]*User: +5 /);
        assert.match(await ask("stat /closed/inside"), /Mode: +0000 /);
        const list = await ask("ls -l /");
        const inode = /^ *([0-9]+) +100644 \(1\) +12 +34 /m.exec(list)?.[1];
        assert.match(await ask(`ea_list <${inode}>`), /user\.note \(4\) = /);
        for (const name of ["dev", "proc", "sys", "run", "tmp"]) {
          assert.match(list, RegExp(` ${name}$`, "m"));
        }
      }),
  });
}

Deno.test({
  name: "there is room for many small files, and for a large one",
  ignore: !ext4,
  fn: () =>
    withFolder(async (folder) => {
      const tree = new Tree("t");
      const file = join(folder, "content");
      await Deno.writeFile(file, new Uint8Array(1 << 20));
      for (let i = 0; i < 5_000; i++) {
        tree.add(
          tarEntry(`d${i % 10}/${"n".repeat(40)}${i}`, "file", {
            content: { file, offset: 0, size: 1 },
          }),
          false,
        );
      }
      const image = join(folder, "image");
      tree.add(tarEntry("large", "file", { content: { file, offset: 0, size: 1 << 20 } }), false);
      await treeImage(tree, folder, image);
      await run(["e2fsck", "-fn", image]);
      const { blocks } = await Deno.stat(image);
      assert.ok(blocks! * 512 < 200 << 20, "the image is sparse");
      assert.match(await runText(["debugfs", "-R", "stat /large", image]), /Size: 1048576/);
    }),
});
