import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { agentTest } from "../../../tests/guest/native_agent.ts";
import { GuestError, GuestRefusedError } from "./mod.ts";

/** What a refusal says. */
function refused(code: string, path: string): (error: unknown) => true {
  return (error) => {
    assert(error instanceof GuestRefusedError, `${error}`);
    assert.deepEqual([error.code, error.path], [code, path]);
    assert.match(error.message, new RegExp(`^the guest can't .* \\(${code}\\)$`));
    return true;
  };
}

agentTest("files are written and read as they are", async ({ guest, folder }) => {
  const path = `${folder}/file with\nödd name`;
  await guest.writeFile(path, "tëxt");
  assert.equal(Deno.readTextFileSync(path), "tëxt");
  assert.equal(await guest.readTextFile(path), "tëxt");
  const bytes = crypto.getRandomValues(new Uint8Array(50_000));
  const all = new Uint8Array(20 * bytes.length);
  for (let i = 0; i < 20; i++) all.set(bytes, i * bytes.length);
  await guest.writeFile(path, all);
  assert(Buffer.compare(Deno.readFileSync(path), all) === 0);
  assert(Buffer.compare(await guest.readFile(path), all) === 0);
  await guest.writeFile(path, ReadableStream.from([bytes, bytes]));
  assert.equal(Deno.statSync(path).size, 100_000);
  await guest.writeFile(path, "");
  assert.equal((await guest.readFile(path)).length, 0);
});

agentTest("a file is appended to, made, and kept from being made again", async (agent) => {
  const { guest, folder } = agent;
  const path = `${folder}/file`;
  await assert.rejects(guest.writeFile(path, "x", { create: false }), refused("ENOENT", path));
  await guest.writeFile(path, "one", { createNew: true });
  await assert.rejects(guest.writeFile(path, "x", { createNew: true }), refused("EEXIST", path));
  await guest.writeFile(path, "two", { append: true });
  assert.equal(await guest.readTextFile(path), "onetwo");
  await guest.writeFile(path, "3", { create: false });
  assert.equal(await guest.readTextFile(path), "3");
  assert.equal(Deno.statSync(path).mode! & 0o7777, 0o644);
  await guest.writeFile(path, "#!/bin/sh", { mode: 0o755 });
  assert.equal(Deno.statSync(path).mode! & 0o7777, 0o755);
  await assert.rejects(guest.writeFile(path, "", { mode: -1 }), TypeError);
});

agentTest("parts of files are read, and files of unknown size", async ({ guest, folder }) => {
  const path = `${folder}/file`;
  Deno.writeTextFileSync(path, "0123456789");
  assert.equal(await guest.readTextFile(path, { offset: 3, length: 4 }), "3456");
  assert.equal(await guest.readTextFile(path, { offset: 8 }), "89");
  assert.equal(await guest.readTextFile(path, { offset: 100 }), "");
  assert.equal(await guest.readTextFile(path, { length: 0 }), "");
  assert.match(await guest.readTextFile("/proc/version"), /^Linux version/);
  await assert.rejects(guest.readFile("/dev/zero", { maxBytes: 1 << 20 }), GuestError);
  const stream = await guest.openFile("/dev/zero");
  const reader = stream.getReader();
  assert((await reader.read()).value!.every((byte) => byte === 0));
  await reader.cancel();
});

agentTest("what can't be read or written is told with its reason", async ({ guest, folder }) => {
  await assert.rejects(guest.readFile("/no/file"), refused("ENOENT", "/no/file"));
  await assert.rejects(guest.readFile(folder), refused("EISDIR", folder));
  await assert.rejects(guest.writeFile("/no/file", "x"), refused("ENOENT", "/no/file"));
  await assert.rejects(guest.readFile(""), refused("EINVAL", ""));
  await assert.rejects(guest.readFile("a\0b"), TypeError);
  const full = new Uint8Array(1 << 20);
  await assert.rejects(guest.writeFile("/dev/full", full), refused("ENOSPC", "/dev/full"));
  let isCancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(65536)),
    cancel: () => void (isCancelled = true),
  });
  await assert.rejects(guest.writeFile("/dev/full", endless), refused("ENOSPC", "/dev/full"));
  const silent = new ReadableStream<Uint8Array>();
  await assert.rejects(guest.writeFile("/no/file", silent), refused("ENOENT", "/no/file"));
  assert(isCancelled);
});

agentTest("files are looked at, with and without following links", async ({ guest, folder }) => {
  const path = `${folder}/file`;
  Deno.writeTextFileSync(path, "12345", { mode: 0o640 });
  Deno.chmodSync(path, 0o4640);
  Deno.utimeSync(path, 1e9, 1e9 + 0.25);
  Deno.symlinkSync("file", `${folder}/link`);
  Deno.linkSync(path, `${folder}/other`);
  const found = await guest.stat(`${folder}/link`);
  assert.deepEqual(found, {
    kind: "file",
    mode: 0o4640,
    uid: Deno.uid(),
    gid: Deno.gid(),
    size: 5,
    links: 2,
    modified: new Date((1e9 + 0.25) * 1000),
  });
  const link = await guest.lstat(`${folder}/link`);
  assert.deepEqual([link.kind, link.target], ["symlink", "file"]);
  assert.equal((await guest.stat("/dev/null")).kind, "character-device");
  await assert.rejects(guest.stat("/no/file"), refused("ENOENT", "/no/file"));
});

agentTest("folders are made, listed and removed", async ({ guest, folder }) => {
  await guest.mkdir(`${folder}/a/b/c`, { recursive: true, mode: 0o700 });
  assert.equal(Deno.statSync(`${folder}/a/b/c`).mode! & 0o777, 0o700);
  await guest.mkdir(`${folder}/a/b/c`, { recursive: true });
  await assert.rejects(guest.mkdir(`${folder}/a`), refused("EEXIST", `${folder}/a`));
  await assert.rejects(guest.mkdir(`${folder}/x/y`), refused("ENOENT", `${folder}/x/y`));
  await guest.writeFile(`${folder}/a/file`, "");
  Deno.symlinkSync("/", `${folder}/a/link`);
  assert.deepEqual(await guest.readDir(`${folder}/a`), [
    { name: "b", kind: "directory" },
    { name: "file", kind: "file" },
    { name: "link", kind: "symlink" },
  ]);
  await assert.rejects(guest.readDir(`${folder}/a/file`), refused("ENOTDIR", `${folder}/a/file`));
  await assert.rejects(guest.remove(`${folder}/a`), refused("ENOTEMPTY", `${folder}/a`));
  await guest.remove(`${folder}/a/link`);
  await guest.remove(`${folder}/a/b/c`);
  for (let i = 0; i < 500; i++) Deno.writeTextFileSync(`${folder}/a/b/a rather long name ${i}`, "");
  Deno.symlinkSync("/proc", `${folder}/a/proc`);
  await guest.remove(`${folder}/a`, { recursive: true });
  assert.throws(() => Deno.statSync(`${folder}/a`), Deno.errors.NotFound);
  await assert.rejects(guest.remove(`${folder}/a`), refused("ENOENT", `${folder}/a`));
});

agentTest("the guest tells of itself, and writes to its disks", async ({ guest }) => {
  const info = await guest.info();
  assert.equal(info.kernel, Deno.osRelease());
  assert.equal(info.hostname, Deno.hostname());
  assert.equal(info.machine, Deno.build.arch);
  assert.equal(info.memory.total, Deno.systemMemoryInfo().total);
  assert(info.uptime > 0 && info.processes > 0);
  await guest.sync();
});
