import assert from "node:assert/strict";
import { promises as fs } from "node:fs";
import { join } from "node:path";
import { agentTest } from "../../../tests/guest/native_agent.ts";
import { GuestError, GuestRefusedError } from "./mod.ts";

const isRoot = Deno.uid() === 0;

/** All that a tree is made of, as text: kinds, modes, owners, times, links and contents. */
async function describe(root: string): Promise<string[]> {
  const lines: string[] = [];
  const names = new Map<bigint, string>();
  const visit = async (path: string, below: string) => {
    const found = await fs.lstat(path, { bigint: true });
    const time = `${found.mtimeNs / 1000n}`;
    const head = `${below} ${found.mode.toString(8)} ${found.uid}:${found.gid} ${time}`;
    if (found.isSymbolicLink()) {
      lines.push(`${head} -> ${await fs.readlink(path)}`);
    } else if (found.isDirectory()) {
      lines.push(head);
      for (const name of (await fs.readdir(path)).sort()) {
        await visit(join(path, name), `${below}/${name}`);
      }
    } else {
      const first = names.get(found.ino) ?? below;
      names.set(found.ino, first);
      lines.push(`${head} =${first} ${(await fs.readFile(path)).toString("hex")}`);
    }
  };
  await visit(root, "");
  return lines;
}

/** A tree with all that trees have. */
async function makeTree(root: string): Promise<void> {
  await fs.mkdir(join(root, "empty"), { recursive: true });
  await fs.mkdir(join(root, "deep/er/and/deeper"), { recursive: true });
  const odd = ["line\nbreak", " space ", "-rf", "*", "ünï\u{1f600}", "'\"\\$(x)", "..."];
  for (const name of odd) await fs.writeFile(join(root, name), name);
  await fs.writeFile(join(root, "x".repeat(255)), "long");
  await fs.writeFile(join(root, "deep/er/big"), crypto.getRandomValues(new Uint8Array(60_000)));
  await fs.writeFile(join(root, "nothing"), "");
  await fs.link(join(root, "deep/er/big"), join(root, "deep/er/and/same"));
  await fs.link(join(root, "deep/er/big"), join(root, "again"));
  await fs.symlink("deep/er", join(root, "link"));
  await fs.symlink("/nowhere/at all", join(root, "dangling"));
  await fs.symlink("..", join(root, "deep/up"));
  await fs.writeFile(join(root, "tool"), "#!/bin/sh\n");
  await fs.chmod(join(root, "tool"), 0o4711);
  await fs.chmod(join(root, "nothing"), 0o000);
  await fs.chmod(join(root, "empty"), 0o1777);
  await fs.writeFile(join(root, "deep/er/and/deeper/old"), "1968");
  await fs.utimes(join(root, "deep/er/and/deeper/old"), -5e7 + 0.25, -5e7 + 0.25);
  await fs.lutimes(join(root, "link"), 1e9, 1e9);
  await fs.utimes(join(root, "again"), 1.5e9, 1.5e9 + 0.123456);
  if (isRoot) {
    await fs.chown(join(root, "nothing"), 1234, 4321);
    await fs.lchown(join(root, "dangling"), 77, 88);
  }
  await fs.chmod(join(root, "deep/er"), 0o555);
  await fs.utimes(join(root, "deep"), 1.2e9, 1.2e9);
}

agentTest("a tree goes into a guest and comes out of it as it was", async ({ guest, folder }) => {
  const [from, there, back] = ["from", "there/it/is", "back"].map((name) => join(folder, name));
  await makeTree(from);
  const sent = await guest.copyIn(from, there);
  const tree = await describe(from);
  assert.deepEqual(await describe(there), tree);
  const received = await guest.copyOut(there, back, { owners: isRoot });
  assert.deepEqual(await describe(back), tree);
  assert.deepEqual(received, sent);
  assert.deepEqual(sent.skipped, []);
  assert.deepEqual([sent.directories, sent.links], [6, 5]);
  assert.equal(sent.files, tree.length - 11);
  // Again, over what is there.
  await guest.copyIn(from, there);
  await guest.copyOut(there, back, { owners: isRoot });
  assert.deepEqual(await describe(there), tree);
  assert.deepEqual(await describe(back), tree);
}, isRoot);

agentTest("a guest's programs don't run as the host's root by being copied", async (agent) => {
  const { guest, folder } = agent;
  const from = join(folder, "from");
  await fs.mkdir(from);
  await fs.writeFile(join(from, "tool"), "");
  await fs.chown(join(from, "tool"), 1, 1);
  await fs.chmod(join(from, "tool"), 0o6755);
  await guest.copyOut(from, join(folder, "to"));
  const found = await fs.stat(join(folder, "to/tool"));
  assert.deepEqual([found.mode & 0o7777, found.uid], [0o755, Deno.uid()]);
  await guest.copyIn(from, join(folder, "in"), { owners: false });
  assert.equal((await fs.stat(join(folder, "in/tool"))).uid, Deno.uid());
}, isRoot);

agentTest("single files are copied, also by way of links", async ({ guest, folder }) => {
  const file = join(folder, "file");
  await fs.writeFile(file, "text", { mode: 0o600 });
  await fs.symlink("file", join(folder, "link"));
  await guest.copyIn(join(folder, "link"), join(folder, "new/one"));
  assert.equal(await fs.readFile(join(folder, "new/one"), "utf8"), "text");
  await guest.copyOut(join(folder, "link"), join(folder, "out/two"));
  assert.equal(await fs.readFile(join(folder, "out/two"), "utf8"), "text");
  // A link in its place is replaced, and not written through.
  await fs.symlink(file, join(folder, "out/three"));
  await guest.writeFile(join(folder, "other"), "other");
  await guest.copyOut(join(folder, "other"), join(folder, "out/three"));
  assert.equal(await fs.readFile(file, "utf8"), "text");
  assert.equal(await fs.readFile(join(folder, "out/three"), "utf8"), "other");
});

agentTest("devices, pipes and names that are no text are told of", async ({ guest, folder }) => {
  const from = join(folder, "from");
  await fs.mkdir(from);
  await fs.writeFile(join(from, "file"), "");
  await guest.exec(["sh", "-c", "mkfifo pipe; printf x > \"$(printf 'bad\\377name')\""], {
    cwd: from,
  });
  const sent = await guest.copyIn(from, join(folder, "in"));
  assert.equal(sent.files, 1);
  assert.equal(sent.skipped.length, 2);
  assert.deepEqual((await fs.readdir(join(folder, "in"))).sort(), ["file"]);
  const received = await guest.copyOut(from, join(folder, "out"));
  assert.equal(received.files, 1);
  assert.deepEqual(received.skipped.toSorted((a, b) => a.path < b.path ? -1 : 1), [
    { path: "", reason: "a name in it is not UTF-8" },
    { path: "pipe", reason: "it is a fifo" },
  ]);
});

agentTest("what is in the way, or lacks, or is too much, is told", async ({ guest, folder }) => {
  const from = join(folder, "from");
  await fs.mkdir(join(from, "name"), { recursive: true });
  await fs.writeFile(join(folder, "plain"), "12345");
  await assert.rejects(guest.copyIn(join(folder, "none"), "/x"), { code: "ENOENT" });
  await assert.rejects(guest.copyIn("/dev/null", join(folder, "x")), TypeError);
  await assert.rejects(guest.copyIn(from, join(folder, "plain")), GuestRefusedError);
  await assert.rejects(guest.copyOut(join(folder, "none"), from), GuestRefusedError);
  await assert.rejects(guest.copyOut("/dev/null", join(folder, "x")), GuestRefusedError);
  await assert.rejects(guest.copyOut(from, join(folder, "plain")), GuestError);
  await fs.mkdir(join(folder, "to"));
  await fs.symlink("/tmp", join(folder, "to/name"));
  await assert.rejects(guest.copyOut(from, join(folder, "to")), /there already, and no folder/);
  await assert.rejects(
    guest.copyOut(join(folder, "plain"), join(folder, "y"), { maxBytes: 4 }),
    /maxBytes/,
  );
  await assert.rejects(guest.copyOut(from, join(folder, "z"), { maxEntries: 1 }), /maxEntries/);
  await assert.rejects(guest.copyIn(from, "/proc/nothing/here"), GuestRefusedError);
});
