import assert from "node:assert/strict";
import { join } from "node:path";
import { HostError } from "../errors.ts";
import { checkFolder, ensureFolder, folderPath } from "./folder.ts";

const uid = Deno.uid() ?? 0;

/** Calls with a folder of its own. */
async function withFolder(test: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("the folder is in the session's, then in the system's, then in /run or /tmp", () =>
  withFolder(async (root) => {
    const [run, temporary, runtime] = ["run", "tmp", "session"].map((name) => join(root, name));
    const user = join(run, "user", `${uid}`);
    for (const folder of [temporary, runtime, user]) {
      await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    }
    const path = (around: Partial<Parameters<typeof folderPath>[0]>) =>
      folderPath({ runtime, uid, run, temporary, ...around });
    assert.equal(path({}), join(runtime, "denovisor"));
    assert.equal(path({ runtime: undefined }), join(user, "denovisor"));
    assert.equal(path({ runtime: "session" }), join(user, "denovisor"), "a relative path");
    assert.equal(path({ runtime: join(root, "none") }), join(user, "denovisor"));
    await Deno.chmod(runtime, 0o777);
    assert.equal(path({}), join(user, "denovisor"), "anybody may write to it");
    await Deno.remove(user);
    await Deno.symlink(runtime, user);
    await Deno.chmod(runtime, 0o700);
    assert.equal(
      path({ runtime: user, uid }),
      uid === 0 ? join(run, "denovisor") : join(temporary, `denovisor-${uid}`),
      "a link",
    );
    // Another user's session, as sudo leaves it in the environment.
    assert.equal(path({ uid: 12_345 }), join(temporary, "denovisor-12345"));
    assert.equal(
      folderPath({ runtime: undefined, uid: 0, run: "/r", temporary: "/t" }),
      "/r/denovisor",
    );
  }));

Deno.test("the folder is made for its owner alone, whatever the umask, and found again", () =>
  withFolder((root) => {
    const path = join(root, "denovisor");
    const before = Deno.umask(0);
    try {
      ensureFolder(path, uid);
    } finally {
      Deno.umask(before);
    }
    assert.equal((Deno.lstatSync(path).mode ?? 0) & 0o7777, 0o700);
    ensureFolder(path, uid);
  }));

Deno.test("a folder that is not its owner's alone is refused with what to do", () =>
  withFolder(async (root) => {
    const path = join(root, "denovisor");
    const refused = (pattern: RegExp, user = uid) => {
      for (const use of [ensureFolder, checkFolder]) {
        assert.throws(() => use(path, user), (error: Error) => {
          return error instanceof HostError && pattern.test(error.message);
        });
      }
    };
    const safe = join(root, "safe");
    await Deno.mkdir(safe, { mode: 0o700 });
    await Deno.symlink(safe, path);
    refused(/not a folder \(remove it\)/);
    await Deno.remove(path);
    await Deno.writeTextFile(path, "", { mode: 0o700 });
    refused(/not a folder/);
    await Deno.remove(path);
    await Deno.mkdir(path);
    for (const mode of [0o755, 0o750, 0o701, 0o720]) {
      await Deno.chmod(path, mode);
      refused(new RegExp(`its mode is ${mode.toString(8)} \\(chmod 700 ${path}\\)`));
    }
    await Deno.chmod(path, 0o700);
    refused(/it belongs to user/, uid + 1);
    checkFolder(path, uid);
  }));

Deno.test("a folder that can't be made is told with the remedy", () =>
  withFolder((root) => {
    assert.throws(
      () => ensureFolder(join(root, "none", "denovisor"), uid),
      /can't be made: No such file.*XDG_RUNTIME_DIR/,
    );
  }));
