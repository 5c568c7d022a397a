import assert from "node:assert/strict";
import { join } from "node:path";
import { withFolder } from "../host/testing.ts";
import { cached, removeUnused } from "./cache.ts";
import { RootfsError } from "./errors.ts";

/** Starts a process that builds a cached item with a function body given as text. */
function builder(folder: string, build: string): Deno.ChildProcess {
  const code = `
    import { cached, removeUnused } from ${JSON.stringify(import.meta.resolve("./cache.ts"))};
    const path = await cached("item", async (folder) => {
      console.error("building");
      ${build}
    }, { folder: ${JSON.stringify(folder)} });
    console.log(Deno.readTextFileSync(path + "/a") + Deno.readTextFileSync(path + "/b"));
  `;
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", code],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
}

Deno.test("an item is built once and then found", () =>
  withFolder(async (folder) => {
    let builds = 0;
    const build = async (fresh: string) => {
      builds++;
      await Deno.writeTextFile(join(fresh, "file"), "content");
    };
    const path = await cached("item", build, { folder });
    assert.equal(await cached("item", build, { folder }), path);
    assert.equal(await Deno.readTextFile(join(path, "file")), "content");
    assert.equal(builds, 1);
  }));

Deno.test("a build that fails leaves nothing and the next one is tried anew", () =>
  withFolder(async (folder) => {
    const fail = async (fresh: string) => {
      await Deno.writeTextFile(join(fresh, "half"), "");
      throw new RootfsError("no network");
    };
    await assert.rejects(cached("item", fail, { folder }), /no network/);
    assert.deepEqual(names(folder), [".item.lock"]);
    await cached("item", () => Promise.resolve(), { folder });
    assert.deepEqual(names(folder), [".item.lock", "item"]);
  }));

Deno.test("four processes that want one item get it from a single build", () =>
  withFolder(async (folder) => {
    const build = `
      Deno.writeTextFileSync(folder + "/a", "x");
      await new Promise((resolve) => setTimeout(resolve, 300));
      Deno.writeTextFileSync(folder + "/b", "y");
    `;
    const outputs = await Promise.all(
      Array.from({ length: 4 }, () => builder(folder, build).output()),
    );
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    for (const output of outputs) assert.equal(text(output.stdout), "xy\n", text(output.stderr));
    const builds = outputs.filter((output) => text(output.stderr).includes("building"));
    assert.equal(builds.length, 1);
  }));

for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`${signal} during a build ends the process and leaves no half item`, () =>
    withFolder(async (folder) => {
      const child = builder(
        folder,
        `Deno.writeTextFileSync(folder + "/a", "x"); await new Promise((r) => setTimeout(r, 60e3));`,
      );
      const stderr = child.stderr.getReader();
      await stderr.read();
      child.kill(signal);
      const { code } = await child.status;
      await Promise.all([stderr.cancel(), child.stdout.cancel()]);
      assert.equal(code, status);
      assert.deepEqual(names(folder), [".item.lock"]);
    }));
}

Deno.test("what a killed build left is removed by the next one", () =>
  withFolder(async (folder) => {
    const child = builder(folder, `await new Promise((resolve) => setTimeout(resolve, 60e3));`);
    const stderr = child.stderr.getReader();
    await stderr.read();
    child.kill("SIGKILL");
    await child.status;
    await Promise.all([stderr.cancel(), child.stdout.cancel()]);
    assert.equal(names(folder).filter((name) => name.startsWith(".item.new-")).length, 1);
    await cached("item", () => Promise.resolve(), { folder });
    assert.deepEqual(names(folder), [".item.lock", "item"]);
  }));

Deno.test("a name that could lead out of the cache is refused", async () => {
  for (const name of ["", ".", "..", "a/b", "../a", ".hidden"]) {
    await assert.rejects(
      cached(name, () => Promise.resolve(), { folder: "/nonexistent" }),
      RootfsError,
    );
  }
});

Deno.test("items of one kind that were not used for long are removed, others stay", () =>
  withFolder(async (folder) => {
    const build = (fresh: string) => Deno.writeTextFile(join(fresh, "file"), "");
    for (const name of ["old-1", "old-2", "other-1"]) {
      const path = await cached(name, build, { folder });
      if (name !== "old-2") await Deno.utime(path, 0, 0);
    }
    await removeUnused("old-", 1, folder);
    assert.deepEqual(names(folder).filter((name) => !name.startsWith(".")), ["old-2", "other-1"]);
  }));

Deno.test("a build that is aborted rejects with the reason and leaves nothing", () =>
  withFolder(async (folder) => {
    const controller = new AbortController();
    const build = async (fresh: string, signal: AbortSignal) => {
      await Deno.writeTextFile(join(fresh, "half"), "");
      controller.abort(new RootfsError("enough"));
      signal.throwIfAborted();
    };
    await assert.rejects(cached("item", build, { folder, signal: controller.signal }), /enough/);
    assert.deepEqual(names(folder), [".item.lock"]);
    const { signal } = controller;
    await assert.rejects(cached("item", () => Promise.resolve(), { folder, signal }), /enough/);
  }));

Deno.test("who waits for another's build can give up while that goes on", () =>
  withFolder(async (folder) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const first = cached("item", () => {
      begun.resolve();
      return promise;
    }, { folder });
    await begun.promise;
    const controller = new AbortController();
    const second = cached("item", () => promise, { folder, signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await assert.rejects(second, { name: "AbortError" });
    resolve();
    await first;
    assert.deepEqual(names(folder), [".item.lock", "item"]);
  }));

Deno.test("the cache is where XDG_CACHE_HOME, HOME or /etc/passwd says, in this order", async () => {
  const module = JSON.stringify(import.meta.resolve("./cache.ts"));
  const script = `import { cacheFolder } from ${module}; console.log(cacheFolder());`;
  const folderFor = async (...variables: string[]) => {
    const { stdout, stderr } = await new Deno.Command("env", {
      // Deno would keep its own things there, too.
      args: ["-i", "DENO_DIR=/dev/null", ...variables, Deno.execPath(), "eval", "--ext=ts", script],
    }).output();
    return new TextDecoder().decode(stdout).trim() || new TextDecoder().decode(stderr);
  };
  const home = await Deno.makeTempDir();
  try {
    const set = `HOME=${home}`;
    assert.equal(await folderFor("XDG_CACHE_HOME=/some/cache", set), "/some/cache/denovisor");
    assert.equal(await folderFor("XDG_CACHE_HOME=relative", set), `${home}/.cache/denovisor`);
    const { stdout } = await new Deno.Command("sh", {
      args: ["-c", 'getent passwd "$(id -u)" | cut -d: -f6'],
    }).output();
    const own = new TextDecoder().decode(stdout).trim();
    assert.equal(
      await folderFor("HOME=/proc/self"),
      `${own}/.cache/denovisor`,
    );
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
