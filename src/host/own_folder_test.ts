import assert from "node:assert/strict";
import { join } from "node:path";
import { FolderError, OwnFolder, type Surroundings } from "./own_folder.ts";
import { withFolder } from "./testing.ts";

const uid = Deno.uid() ?? 0;

/** The user's folder for things, where the session's is `runtime`. */
function folderIn(runtime: string, more: Partial<Surroundings> = {}): OwnFolder {
  const around = { runtime, uid, run: "/none", temporary: "/none", ...more };
  return new OwnFolder("things", "the folder of things", around);
}

/** That it is refused, whether it is to be made or only to be used. */
function assertRefused(folder: OwnFolder, pattern: RegExp): void {
  for (const use of [() => folder.ensure(), () => folder.check()]) {
    assert.throws(use, (error: Error) => {
      return error instanceof FolderError && pattern.test(error.message);
    });
  }
}

Deno.test("a user's folder is in the session's, then in the system's, then in /run or /tmp", () =>
  withFolder(async (root) => {
    const [run, temporary, runtime] = ["run", "tmp", "session"].map((name) => join(root, name));
    const user = join(run, "user", `${uid}`);
    for (const folder of [temporary, runtime, user]) {
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    }
    const path = (around: Partial<Surroundings>) =>
      new OwnFolder("things", "it", { runtime, uid, run, temporary, ...around }).path;
    assert.equal(path({}), join(runtime, "things"));
    assert.equal(path({ runtime: undefined }), join(user, "things"));
    assert.equal(path({ runtime: "session" }), join(user, "things"), "a relative path");
    assert.equal(path({ runtime: join(root, "none") }), join(user, "things"));
    await Deno.chmod(runtime, 0o777);
    assert.equal(path({}), join(user, "things"), "anybody may write to it");
    await Deno.remove(user);
    await Deno.symlink(runtime, user);
    await Deno.chmod(runtime, 0o700);
    const last = uid === 0 ? join(run, "things") : join(temporary, `things-${uid}`);
    assert.equal(path({ runtime: user }), last, "a link");
    // Another user's session, as sudo leaves it in the environment.
    assert.equal(path({ uid: 12_345 }), join(temporary, "things-12345"));
    assert.equal(path({ runtime: undefined, uid: 0, run: "/r" }), "/r/things");
  }));

Deno.test("a user's folder is made for its owner alone, whatever the umask, and found again", () =>
  withFolder((root) => {
    const folder = folderIn(root);
    assert(!folder.isThere());
    const before = Deno.umask(0);
    try {
      folder.ensure();
    } finally {
      Deno.umask(before);
    }
    assert.equal((Deno.lstatSync(folder.path).mode ?? 0) & 0o7777, 0o700);
    assert(folder.isThere());
    folder.ensure();
  }));

Deno.test("a folder that is not its owner's alone is refused with what to do", () =>
  withFolder(async (root) => {
    const folder = folderIn(root);
    const safe = join(root, "safe");
    await Deno.mkdir(safe, { mode: 0o700 });
    await Deno.symlink(safe, folder.path);
    assertRefused(
      folder,
      /^the folder of things, .* is not safe: it is not a folder \(remove it\)/,
    );
    await Deno.remove(folder.path);
    await Deno.writeTextFile(folder.path, "", { mode: 0o700 });
    assertRefused(folder, /not a folder/);
    await Deno.remove(folder.path);
    await Deno.mkdir(folder.path);
    for (const mode of [0o755, 0o750, 0o701, 0o720]) {
      await Deno.chmod(folder.path, mode);
      const told = `its mode is ${mode.toString(8)} \\(chmod 700 ${folder.path}\\)`;
      assertRefused(folder, new RegExp(told));
    }
    await Deno.chmod(folder.path, 0o700);
    folder.check();
  }));

Deno.test({
  name: "another user's folder is refused, and so is one in that user's session",
  ignore: uid !== 0,
  fn: () =>
    withFolder(async (root) => {
      const folder = folderIn(root);
      await Deno.mkdir(folder.path, { mode: 0o700 });
      await Deno.chown(folder.path, 12_345, 12_345);
      assertRefused(
        folder,
        /it belongs to user 12345, not to 0 \(remove it, or set XDG_RUNTIME_DIR/,
      );
      await Deno.chown(root, 12_345, 12_345);
      assert.equal(folderIn(root, { run: "/r" }).path, "/r/things");
    }),
});

Deno.test("a folder that can't be made is told with the remedy", () =>
  withFolder((root) => {
    const run = join(root, "none");
    const folder = new OwnFolder("things", "the folder of things", {
      runtime: undefined,
      uid: 0,
      run,
      temporary: run,
    });
    assert.throws(
      () => folder.ensure(),
      /^FolderError: the folder of things, .* can't be made: No such file.*XDG_RUNTIME_DIR/,
    );
  }));
