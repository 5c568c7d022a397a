/**
 * What the executable touches of its host, and what it leaves.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { SOURCE_TREE } from "../cli/process.ts";
import {
  copyExecutable,
  DONE,
  executable,
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

/** One system call of a trace: its name, what it was given, and what it gave. */
interface Call {
  readonly name: string;
  readonly args: string;
  readonly result: string;
}

/** Runs a guest under strace(1). @returns the calls that have to do with files' names and with the network */
async function trace(): Promise<Call[]> {
  const log = join(await Deno.makeTempDir({ dir: FOLDER }), "trace");
  const script = `exec strace -f -qq -s 4096 -e trace=%file,%network -e signal=none -o ${log} "$@"`;
  assert.deepEqual(await runBy(script, guestArguments(), { input: TYPED }), DONE);
  const text = await Deno.readTextFile(log);
  // A call that another thread's comes between is told in two lines.
  const begun = new Map<string, string>();
  const calls: Call[] = [];
  for (const line of text.trim().split("\n")) {
    const [, thread, rest] = /^(\d+) +(.*)$/.exec(line) ?? assert.fail(line);
    if (rest.endsWith(" <unfinished ...>")) {
      begun.set(thread, rest.slice(0, -" <unfinished ...>".length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const whole = resumed === null ? rest : (begun.get(thread) ?? "") + resumed[1];
    const call = /^(\w+)\((.*)\) += (.*)$/.exec(whole);
    // What is no call is the end of a thread.
    if (call !== null) calls.push({ name: call[1], args: call[2], result: call[3] });
  }
  assert(calls.length > 10, text);
  return calls;
}

/** The file that a call names. */
function fileOf({ args }: Call): string {
  return /"((?:[^"\\]|\\.)*)"/.exec(args)?.[1] ?? "";
}

/** What may be opened, beside its own file and the guest's kernel: nothing in it is the user's. */
const OPENED: readonly RegExp[] = [
  // What the loader and the C library look for.
  /^\/etc\/ld\.so\.(?:cache|preload)$/,
  /^(?:\/usr)?\/lib(?:64|\/x86_64-linux-gnu)?\/.*\.so(?:\.\d+)*$/,
  /^(?:\/usr)?\/lib\/x86_64-linux-gnu\/glibc-hwcaps\//,
  // The host's time zone.
  /^\/etc\/localtime$/,
  // The process itself, and how many processors and how much memory it may use.
  /^\/proc\/(?:self|\d+)\//,
  /^\/proc\/(?:meminfo|cpuinfo|stat|version_signature|sys\/kernel\/osrelease)$/,
  /^\/proc\/sys\/vm\/(?:overcommit_memory|max_map_count)$/,
  /^\/sys\/fs\/cgroup\//,
  /^\/sys\/devices\/system\/(?:cpu|node)\//,
  /^\/sys\/kernel\/mm\/transparent_hugepage\//,
  /^\/dev\/(?:kvm|urandom|random|null)$/,
];

/** Devices may be opened for writing; nothing is kept in them. */
const DEVICES = /^\/dev\/(?:kvm|null)$/;

guestTest("opens nothing that is the user's, and writes and unpacks nothing", async () => {
  const own = [executable(), KERNEL];
  for (const call of await trace()) {
    const { name, args, result } = call;
    const told = `${name}(${args}) = ${result}`;
    const file = fileOf(call);
    if (name === "openat" || name === "open") {
      const known = own.includes(file) || OPENED.some((pattern) => pattern.test(file));
      assert(known, `it opens what is none of its business: ${told}`);
      if (!DEVICES.test(file)) assert.doesNotMatch(args, /O_(?:WRONLY|RDWR|CREAT|TRUNC)/, told);
    }
    // What fails changes nothing.
    if (result.startsWith("-1 ")) continue;
    const changes =
      /^(?:creat|mkdir|unlink|rmdir|rename|link|symlink|mknod|truncate|ch(?:mod|own))/;
    assert.doesNotMatch(name, changes, told);
    assert(!/^exec/.test(name) || file === own[0] || file.endsWith("/strace"), told);
  }
}, "strace");

/** The names of files that Deno looks for to learn how it's to run something, and of its own. */
const LOOKED_FOR =
  /(?:^|\/)(?:deno\.jsonc?|deno\.lock|package\.json|node_modules|\.npmrc|tsconfig\.json|\.env|\.cache|\.deno|node)$/;

guestTest(
  "looks for no configuration, no packages and no updates, and speaks to nobody",
  async () => {
    for (const call of await trace()) {
      const { name, args, result } = call;
      const told = `${name}(${args}) = ${result}`;
      const file = fileOf(call);
      // Nobody can put a file into that folder.
      if (!file.startsWith("/proc/self/")) assert.doesNotMatch(file, LOOKED_FOR, told);
      assert.doesNotMatch(args, /\/etc\/(?:passwd|nsswitch|resolv|hosts|ssl)|nscd/, told);
      // A pair of sockets within the process is how it hears of signals.
      const local = name === "socketpair" || /^(?:recv|send)/.test(name) && !/sin6?_/.test(args);
      const network =
        /^(?:socket|connect|bind|listen|accept4?|send\w*|recv\w*|[gs]etsockopt|socketpair)$/;
      assert(local || !network.test(name), told);
    }
  },
  "strace",
);

/** What proc(5) tells of a process that runs a guest. */
interface Footprint {
  /** Largest resident memory, and what of it is not shared with another process, in KiB. */
  readonly peak: number;
  readonly own: number;
  /** What its descriptors are of. */
  readonly descriptors: readonly string[];
  readonly threads: number;
}

async function footprint(pid: number): Promise<Footprint> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const rollup = await Deno.readTextFile(`/proc/${pid}/smaps_rollup`);
  const number = (text: string, name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? assert.fail(name));
  const links: string[] = [];
  for await (const { name } of Deno.readDir(`/proc/${pid}/fd`)) {
    links.push(await Deno.readLink(`/proc/${pid}/fd/${name}`).catch(() => ""));
  }
  return {
    peak: number(status, "VmHWM"),
    own: number(rollup, "Private_Dirty"),
    descriptors: links.filter((link) => link !== ""),
    threads: number(status, "Threads"),
  };
}

/** How often a process is looked at until nothing comes or goes any more, and how many milliseconds are between. */
const LOOKS = 20;
const PAUSE_MS = 100;

/** Looks at a process when what belongs to its start, or to the machine before, is gone. */
async function settled(pid: number): Promise<Footprint> {
  let last = await footprint(pid);
  for (let look = 0; look < LOOKS; look++) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const next = await footprint(pid);
    const isSame = next.threads === last.threads &&
      next.descriptors.length === last.descriptors.length;
    last = next;
    if (isSame) break;
  }
  return last;
}

/** Runs a guest, and looks at its process each time when the guest is ready. */
async function look(
  program: readonly [string, ...string[]],
  restarts = 0,
): Promise<readonly Footprint[]> {
  const [path, ...first] = program;
  const args = [...first, ...guestArguments("--on-reboot", "restart")];
  const child = startBy(PLAINLY, args, { program: path });
  const writer = child.stdin.getWriter();
  const seen: Footprint[] = [];
  for (let run = 0; run <= restarts; run++) {
    if (run > 0) await writer.write(new TextEncoder().encode("r"));
    await said(child.stdout, "ready");
    seen.push(await settled(child.pid));
  }
  child.kill("SIGTERM");
  assert.equal((await child.status).code, 143);
  await writer.close().catch(() => {});
  await child.stdout.cancel();
  await child.stderr.cancel();
  return seen;
}

guestTest("takes no more memory, threads and descriptors than the source tree does", async () => {
  const [[mine], [wanted]] = [await look([executable()]), await look(SOURCE_TREE)];
  const told = JSON.stringify({ mine, wanted });
  assert(mine.peak <= wanted.peak * 1.1, told);
  assert(mine.own <= wanted.own * 1.25, told);
  // Two may be there for a moment, to read and to check its file.
  assert(mine.threads <= wanted.threads + 2, told);
  assert(mine.descriptors.length <= wanted.descriptors.length + 1, told);
  // Files that have a name: its own is the only one that it may have opened.
  const files = mine.descriptors.filter((link) =>
    link.startsWith("/") && !link.startsWith("/dev/")
  );
  for (const file of files) assert(file === executable() || file.startsWith("/memfd:"), told);
});

guestTest("has as many descriptors and threads after five restarts as before", async () => {
  const seen = await look([executable()], 5);
  const counts = seen.map(({ descriptors, threads }) => [descriptors.length, threads]);
  const [descriptors, threads] = counts.at(-1)!;
  assert(descriptors <= counts[1][0] && threads <= counts[1][1], JSON.stringify(counts));
});

/** Processes that were started from a file. */
async function processesOf(program: string): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // It may have ended by now, or be someone else's.
    const path = await Deno.readLink(`/proc/${name}/exe`).catch(() => "");
    if (path === program) found.push(Number(name));
  }
  return found;
}

for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  guestTest(`leaves nothing behind after ${signal}`, async () => {
    // A copy, of which nobody else has a process.
    const program = await copyExecutable(`ended-by-${signal}`);
    const folder = await Deno.makeTempDir({ dir: FOLDER });
    const env = { TMPDIR: folder, HOME: folder, XDG_RUNTIME_DIR: folder };
    const shared = [...Deno.readDirSync("/dev/shm")].map(({ name }) => name).sort();
    const child = startBy(PLAINLY, guestArguments(), { program, env, cwd: folder });
    await said(child.stdout, "ready");
    assert.deepEqual(await processesOf(program), [child.pid]);
    child.kill(signal);
    assert.equal((await child.status).code, status);
    await child.stdin.close().catch(() => {});
    await child.stdout.cancel();
    await child.stderr.cancel();
    assert.deepEqual(await processesOf(program), []);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
    assert.deepEqual([...Deno.readDirSync("/dev/shm")].map(({ name }) => name).sort(), shared);
  });
}
