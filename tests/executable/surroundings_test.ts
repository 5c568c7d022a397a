/**
 * The executable in the surroundings that a host may have: a guest runs in each as in any other.
 * @module
 */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import {
  assertRuns,
  copyExecutable,
  DONE,
  executable,
  executableTest,
  FOLDER,
  guestArguments,
  guestTest,
  KERNEL,
  PLAINLY,
  runBy,
  said,
  startBy,
  TYPED,
} from "./host.ts";

/** Who a guest is run by that isn't root: users and groups that this machine needs not know. */
const USER = 61_234;
const GROUP = 61_235;

/** A script for a mount namespace of its own. */
const apart = (script: string) =>
  `exec unshare --mount sh -c '${script.replaceAll("'", `'\\''`)}' sh "$@"`;

const AS_USER = `exec setpriv --reuid ${USER} --regid ${USER} --groups ${GROUP} ` +
  '--inh-caps=-all --bounding-set=-all --no-new-privs "$@"';

/** Puts a device in the place of /dev/kvm that a group may open, as udev makes it; gone with the namespace. */
const KVM_OF_GROUP = `
set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
mknod /mnt/kvm c 10 232
chgrp ${GROUP} /mnt/kvm
chmod 660 /mnt/kvm
mount --bind /mnt/kvm /dev/kvm
`;

/** Makes every file system read-only, and ends with 99 where a file can still be made. */
const READ_ONLY = `
cut -d" " -f5 /proc/self/mountinfo | while read -r point; do
  mount -o remount,bind,ro "$point" 2>/dev/null || true
done
for folder in / /tmp /var/tmp /dev/shm /run "$HOME" "$PWD" "$(dirname "$1")"; do
  if [ -d "$folder" ] && ( : > "$folder/denovisor-probe" ) 2>/dev/null; then exit 99; fi
done
exec "$@"
`;

guestTest("runs a guest with a device", () => assertRuns(PLAINLY));

for (
  const [where, script] of [
    ["the root folder", 'cd / && exec "$@"'],
    ["a folder that was removed", 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'],
    ["proc(5)", 'cd /proc/self/fd && exec "$@"'],
  ]
) {
  guestTest(`runs in ${where}`, () => assertRuns(script, { cwd: FOLDER }));
}

for (
  const [what, script] of [
    ["an empty environment", 'exec /usr/bin/env -i "$@"'],
    ["no HOME", 'unset HOME; exec "$@"'],
    ["an empty HOME", 'HOME= exec "$@"'],
    ["a HOME that is a file", 'HOME=/etc/passwd exec "$@"'],
    ["a HOME that isn't there", 'HOME=/proc/nowhere exec "$@"'],
    ["no PATH and no TMPDIR", 'unset PATH TMPDIR; exec "$@"'],
    ["a locale that isn't there", 'LC_ALL=xx_XX.latin1 LANG=C exec "$@"'],
    ["few descriptors", 'ulimit -n 64; exec "$@"'],
    ["no locked memory", 'ulimit -l 0; exec "$@"'],
    ["no core dumps", 'ulimit -c 0; exec "$@"'],
    ["a mask that hides new files from all", 'umask 777; exec "$@"'],
    ["signals ignored", 'trap "" HUP INT QUIT PIPE USR1 USR2; exec "$@"'],
    ["descriptors of others open", 'exec 3</dev/null 4</dev/null 9</dev/zero; exec "$@"'],
  ]
) {
  guestTest(`runs with ${what}`, () => assertRuns(script));
}

guestTest(
  "runs in an empty network namespace",
  async () => {
    await assertRuns('exec unshare --net "$@"');
  },
  "root with namespaces",
);

guestTest(
  "runs where every file system is read-only",
  async () => {
    await assertRuns(apart(READ_ONLY));
  },
  "root with namespaces",
);

guestTest(
  "runs as an ordinary user who may open /dev/kvm by a group",
  async () => {
    const program = await copyExecutable("of-a-user");
    await assertRuns(apart(KVM_OF_GROUP + AS_USER), { program });
  },
  "root with namespaces",
);

guestTest(
  "runs as such a user with an empty environment, in a folder that is closed to him",
  async () => {
    const program = await copyExecutable("of-a-stranger");
    const closed = "mkdir -m 700 /mnt/closed && cd /mnt/closed\n";
    await assertRuns(apart(KVM_OF_GROUP + closed + AS_USER.replace("exec", "exec env -i")), {
      program,
    });
  },
  "root with namespaces",
);

guestTest(
  "passes its own test where it has next to nothing",
  async () => {
    const program = await copyExecutable("of-a-hermit");
    // No environment, no network, no folder, nothing to write to, nothing to read, and no rights but to KVM.
    const script = KVM_OF_GROUP + `
mkdir /mnt/gone && cd /mnt/gone && rmdir /mnt/gone
for folder in / /mnt /tmp /dev/shm; do mount -o remount,bind,ro "$folder" 2>/dev/null || true; done
${AS_USER.replace("exec", "exec unshare --net env -i")} <&-`;
    const { status, out, err } = await runBy(apart(script), ["self-test", "--json"], { program });
    assert.deepEqual([status, err], [0, ""], out);
    const { passed, failed } = JSON.parse(out);
    assert.equal(failed, 0);
    assert(passed > 20, out);
  },
  "root with namespaces",
);

guestTest(
  "tells a user who isn't in the group what is missing",
  async () => {
    const program = await copyExecutable("of-nobody");
    const script = apart(KVM_OF_GROUP + AS_USER.replace(`--groups ${GROUP}`, "--clear-groups"));
    const { status, out, err } = await runBy(script, guestArguments(), { program });
    assert.deepEqual([status, out], [125, ""]);
    assert.match(err, /^denovisor: .*\/dev\/kvm/);
    assert.doesNotMatch(err, /\n\s+at /, "a user is shown no stack");
  },
  "root with namespaces",
);

executableTest(
  "says so where there is no proc(5), without which it can't find itself",
  async () => {
    const script = apart('umount -l /proc && exec "$@"');
    const { status, err } = await runBy(script, ["--version"]);
    assert.notEqual(status, 0);
    assert.match(err, /\/proc/);
  },
  "root with namespaces",
);

/** Names that Deno looks at to decide what it is (`dx` is a command runner, `node` stands for node). */
const NAMES = ["vmm", "deno", "denort", "node", "npm", "npx", "dx", "with space", "-", "é", ".x"];

for (const name of NAMES) {
  executableTest(`is the same program by the name ${JSON.stringify(name)}`, async () => {
    const folder = await Deno.makeTempDir({ dir: FOLDER });
    await Deno.symlink(executable(), join(folder, name));
    const wanted = await runBy(PLAINLY, ["run", "--nothing"]);
    assert.match(wanted.err, /^denovisor: unknown option '--nothing'/);
    const program = join(folder, name);
    assert.deepEqual(await runBy(PLAINLY, ["run", "--nothing"], { program }), wanted, "a symlink");
    // Found on PATH, argv[0] is the name alone.
    const found = 'shift; PATH="$PWD:$PATH"; "$NAME" "$@"';
    const env = { NAME: name };
    assert.deepEqual(
      await runBy(found, ["run", "--nothing"], { cwd: folder, env }),
      wanted,
      "PATH",
    );
  });
}

executableTest("is the same program whatever its caller says its name is", async () => {
  const wanted = await runBy(PLAINLY, ["run", "--nothing"]);
  for (const zero of ["", "deno", "node", "dx", "/nowhere/denovisor", "--help"]) {
    const script = 'exec bash -c \'name=$1; shift; exec -a "$name" "$@"\' bash "$ZERO" "$@"';
    const env = { ZERO: zero };
    assert.deepEqual(await runBy(script, ["run", "--nothing"], { env }), wanted, zero);
  }
}, "bash");

guestTest("runs through links, hard and symbolic, and by a relative path", async () => {
  const program = await copyExecutable("original");
  const folder = await Deno.makeTempDir({ dir: FOLDER });
  await Deno.symlink("../original", join(folder, "first"));
  await Deno.symlink("first", join(folder, "second"));
  await Deno.link(program, join(folder, "hard"));
  await assertRuns(PLAINLY, { program: join(folder, "second") });
  await assertRuns(PLAINLY, { program: join(folder, "hard") });
  await assertRuns(PLAINLY, { program: "./second", cwd: folder });
  await assertRuns(PLAINLY, { program: "../original", cwd: folder });
});

guestTest(
  "runs from a file that may be executed and not read",
  async () => {
    const program = await copyExecutable("unreadable");
    await Deno.chmod(program, 0o111);
    const script = apart(KVM_OF_GROUP + AS_USER);
    const { status, out, err } = await runBy(script, guestArguments(), { program, input: TYPED });
    // It reads itself: either that works, or it says why not.
    if (status !== 42) {
      assert.deepEqual([status, out], [125, ""]);
      assert.match(err, /unreadable.*read/);
    }
  },
  "root with namespaces",
);

guestTest("goes on, and restarts its guest, after its file was replaced and removed", async () => {
  const program = await copyExecutable("replaced");
  const child = startBy(PLAINLY, guestArguments("--on-reboot", "restart"), { program });
  const writer = child.stdin.getWriter();
  const type = (text: string) => writer.write(new TextEncoder().encode(text));
  await said(child.stdout, "ready");
  await Deno.writeTextFile(`${program}.new`, "another program");
  await Deno.rename(`${program}.new`, program);
  await type("r");
  await said(child.stdout, "ready");
  await Deno.remove(program);
  await type("r");
  await said(child.stdout, "ready");
  await type("e");
  await writer.close();
  assert.equal((await child.status).code, 42);
  await child.stdout.cancel();
  await child.stderr.cancel();
});

guestTest("runs with its standard streams closed", async () => {
  await assertRuns('exec "$@" 2>&-');
  const log = join(FOLDER, "report.json");
  for (const script of ['exec "$@" >&-', 'exec "$@" >&- 2>&-']) {
    const args = guestArguments("--json-file", log);
    assert.deepEqual(await runBy(script, args, { input: TYPED }), { ...DONE, out: "" });
    assert.equal(JSON.parse(await Deno.readTextFile(log)).status, 42);
  }
  const { status, out } = await runBy('exec "$@" <&-', guestArguments("--timeout", "500ms"));
  assert.deepEqual([status, out], [124, "ready\n"]);
});

executableTest(
  "answers questions with its standard input closed, and with all streams",
  async () => {
    for (const args of [["--version"], ["--help"], ["help", "run"]]) {
      const open = await runBy(PLAINLY, args);
      assert.deepEqual([open.status, open.err], [0, ""]);
      assert.deepEqual(await runBy('exec "$@" <&-', args), open);
      const closed = await runBy('exec "$@" <&- >&- 2>&-', args);
      assert.deepEqual(closed, { ...open, out: "" });
    }
  },
);

guestTest("is started many at once", async () => {
  const all = Array.from({ length: 8 }, () => runBy(PLAINLY, guestArguments(), { input: TYPED }));
  for (const left of await Promise.all(all)) assert.deepEqual(left, DONE);
});

guestTest("finds its kernel by a path relative to the folder it was started in", async () => {
  assert(KERNEL !== undefined);
  const args = ["run", "./kernel"];
  const left = await runBy(PLAINLY, args, { cwd: dirname(KERNEL), input: "e" });
  assert.deepEqual(left, { status: 42, out: "ready\n", err: "" });
});

executableTest("says on a terminal what it says elsewhere", async () => {
  for (const args of [["--version"], ["run", "--nothing"]]) {
    const { out, err } = await runBy(PLAINLY, args);
    const onTerminal = await runBy('exec script -qec "$*" /dev/null', args);
    assert.equal(onTerminal.out.replaceAll("\r\n", "\n"), out + err);
  }
});
