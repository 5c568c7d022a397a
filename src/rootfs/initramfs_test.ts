import assert from "node:assert/strict";
import { join } from "node:path";
import { cpioArchive } from "../../loader/cpio.ts";
import { withFolder } from "../host/testing.ts";
import { findCommand, run, runText } from "./command.ts";
import { folderEntries, storeInitramfs } from "./initramfs.ts";
import { writeFiles } from "./testing.ts";

Deno.test({
  name: "a folder's entries are what cpio makes the same folder of again",
  ignore: Deno.uid() !== 0 || findCommand("cpio") === undefined,
  fn: () =>
    withFolder(async (folder) => {
      const [one, two] = [join(folder, "one"), join(folder, "two")];
      await writeFiles(one, { "a/file": "content", "a/empty": "", "b/c/d": "deep" });
      await Deno.mkdir(two);
      await Deno.symlink("../a/file", join(one, "b/link"));
      await run(["mknod", join(one, "loop"), "b", "7", "300"]);
      await run(["mkfifo", join(one, "pipe")]);
      await run(["chown", "12:34", join(one, "a/file")]);
      await Deno.chmod(join(one, "a/file"), 0o4710);
      await Deno.chmod(join(one, "b"), 0o1777);
      using _socket = Deno.listen({ transport: "unix", path: join(one, "socket") });
      const input = cpioArchive(await folderEntries(one));
      await run(["cpio", "-idm", "--quiet"], { cwd: two, input });
      const list = async (cwd: string) =>
        (await runText(["find", "!", "-type", "s", "-printf", "%P %m %U:%G %y %l %s\n"], { cwd }))
          .split("\n").map((line) => line.replace(/ d .*/, " d")).sort();
      assert.deepEqual((await list(two)).slice(2), (await list(one)).slice(2));
      assert.equal(
        (await Deno.stat(join(two, "loop"))).rdev,
        (await Deno.stat(join(one, "loop"))).rdev,
      );
      assert.equal(await Deno.readTextFile(join(two, "b/link")), "content");
    }),
});

Deno.test("an initramfs is stored once for each content", () =>
  withFolder(async (folder) => {
    const entries = [{ path: "init", type: "file", data: "x" } as const];
    const path = await storeInitramfs(entries, { folder });
    assert.deepEqual(await Deno.readFile(path), cpioArchive(entries));
    assert.equal(await storeInitramfs(entries, { folder }), path);
    const other = await storeInitramfs([{ ...entries[0], data: "y" }], { folder });
    assert.notEqual(other, path);
  }));
