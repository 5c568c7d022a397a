/**
 * `deno task test`: everything that can be checked on this machine, on both rigs; `deno task ok` (`--quick`):
 * what takes less than two minutes, with what is installed already.
 *
 * The whole run installs what it lacks, then runs the static checks, the tests of the host, and the tests that need a KVM
 * for stock kernels: on the host where it has one, in labs of one processor each otherwise, side by side. With `--minutes N`
 * what has not come to its end by then is ended, named, and counted as skipped. Closes with one line,
 * `N passed, N failed, N skipped`, and with status 1 if anything failed.
 * @module
 */
import { parseArgs } from "node:util";
import {
  debianOciArchive,
  debianRootfs,
  ensureDebianPackages,
  kernelAsset,
  RootfsError,
} from "./assets/mod.ts";
import { EXECUTABLE_VARIABLE } from "./cli/process.ts";
import { ethtoolFiles } from "./guest/peer.ts";
import { availableMemoryMiB } from "./lab/memory.ts";
import { CHECKOUT, type Environment, say, show } from "./run/process.ts";
import { Queue, type Work } from "./run/queue.ts";
import { add, closingLine, type Counts } from "./run/summary.ts";
import { probeStockKernels } from "../src/machine/probe/probe.ts";

/** What the tests' oracles and payloads need: a file or command that tells whether it's there, and its package. */
const NEEDS = {
  gcc: "gcc",
  as: "binutils",
  iasl: "acpica-tools",
  cpio: "cpio",
  python3: "python3-minimal",
  umoci: "umoci",
  skopeo: "skopeo",
  fakeroot: "fakeroot",
  setfattr: "attr",
  modprobe: "kmod",
  zstd: "zstd",
  strace: "strace",
  unshare: "util-linux",
  zsh: "zsh",
  fish: "fish",
  mandoc: "mandoc",
  "/usr/include/linux/kvm.h": "linux-libc-dev",
  "/usr/include/stdio.h": "libc6-dev",
};

/** Tests that every KVM can run, and so are run on both rigs. */
const DIRECT_TESTS = "tests/direct";
/** One of them that takes minutes: it kills a monitor fifty times. */
const KILL_TEST = "tests/direct/block_kill_test.ts";
/**
 * Keeps the lab so busy that its emulator fails more often than not; for hosts with a KVM of their own, and for
 * `deno task lab --cpus 1 -- deno test -A tests/guest/rebind_test.ts`.
 */
const REBIND_TEST = "tests/guest/rebind_test.ts";
/** What the quick gate tests, the examples in docs among it. */
const QUICK_TESTS = [
  ...["mod.ts", "src", "devices", "loader", "bench"],
  ...[
    "tests/layering_test.ts",
    "tests/run",
    "tests/cli",
    "tests/payloads",
    DIRECT_TESTS,
  ],
];
/** Tests of which some run the program: those are run a second time, with the executable. */
const PROGRAM_FILTER = ["--filter", "[the executable]"];
/** Tests of the executable and of what makes it. */
const EXECUTABLE_TESTS = "tests/executable";
/** One of them that boots a lab. */
const BARE_LAB_TEST = "tests/executable/bare_lab_test.ts";
/** Tests of the program. */
const CLI_TESTS = "tests/cli";
/** Tests that need a KVM for stock kernels. */
const GUEST_TESTS = "tests/guest";
/**
 * What each lab is given for them: guests of up to 6 GiB and images in its memory, of which little is ever used at once; and
 * one processor. The emulator has a thread for each, which get in each other's way: several labs get more done.
 */
const LAB_OPTIONS = ["--memory", "10G", "--cpus", "1"];
/** What a lab uses of its memory at most. */
const LAB_USES_MIB = 6144;
/** So many files share a lab, whose boot takes as long as a short one. */
const FILES_PER_LAB = { direct: 10, guest: 3 };
/** Direct tests that say nothing more in the lab: of comparisons, whose figures mean nothing there, and of `deno test`. */
const NOT_IN_LAB = [
  KILL_TEST,
  ...[
    "boot_speed",
    "compare",
    "exits",
    "idle",
    "memory",
    "soak",
    "speed",
    "start",
    "vm_test",
    "vsock_speed",
    "watch",
  ].map((name) => `${DIRECT_TESTS}/${name}_test.ts`),
];
/** Tests that fetch packages. */
const ASSET_TESTS = "tests/assets";
/** Tests that boot the lab. */
const LAB_TESTS = "tests/lab";

const deno = (...args: string[]) => [Deno.execPath(), ...args];
const test = (...args: string[]) => deno("test", "-A", "--no-check", "--doc", ...args);

/** A run of everything, or of the quick gate. */
class Run {
  readonly total: Counts = { passed: 0, failed: 0, skipped: 0 };
  /** Files of tests on this host that failed at first. */
  readonly again: string[] = [];

  /** @param folder where the executable is made */
  constructor(readonly folder: string) {}

  /** A command that is good when it ends well. @returns whether it did */
  async #check(title: string, command: readonly string[]): Promise<boolean> {
    say(`== ${title}`);
    const { success } = await show(command);
    add(this.total, undefined, success);
    return success;
  }

  /** Tests on this host. A file that fails is run once more, alone, which is told: this host may be busy with labs. */
  async #test(title: string, args: readonly string[], env?: Environment): Promise<void> {
    say(`== ${title}`);
    const { success, log } = await show(test(...args), { env });
    const files = log.failedFiles;
    const known = files.every((file) =>
      log.countsOf(file) !== undefined || file.endsWith("_test.ts")
    );
    if (success || !log.ended || files.length === 0 || !known) {
      return add(this.total, log.counts(), success);
    }
    this.again.push(...files);
    say(`== ${title}, once more`);
    const options = args.filter((arg, i) => arg.startsWith("--") || args[i - 1] === "--filter");
    const second = await show(test(...options, ...files), { env });
    add(this.total, log.counts(files), true);
    add(this.total, second.log.counts(), second.success);
  }

  /** @returns the executable's path, or undefined where it couldn't be made */
  async quick(): Promise<string | undefined> {
    await this.#check("format", deno("fmt", "--check", "--quiet"));
    await this.#check("lint", deno("lint", "--quiet"));
    await this.#check("types", deno("check", "--quiet"));
    await this.#test("on this host", [`--ignore=${KILL_TEST}`, ...QUICK_TESTS]);
    const path = `${this.folder}/denovisor`;
    const compile = deno("task", "compile", "--way", "append", "--out", path);
    if (!await this.#check("the executable", compile)) return undefined;
    const env = { [EXECUTABLE_VARIABLE]: path };
    await this.#test("the executable on this host", [...PROGRAM_FILTER, CLI_TESTS], env);
    return path;
  }

  /** Tests on this host; what needs the executable and a lab is queued. */
  async host(queue: Queue, runsStockKernels: boolean): Promise<void> {
    const executable = await this.quick();
    if (executable !== undefined) queue.add(aloneInLab(executable));
    if (executable !== undefined && !runsStockKernels) queue.add(bareRootInLab(executable));
    queue.close();
    await this.#test("what takes longer on this host", [KILL_TEST, ASSET_TESTS]);
    // Where there's no executable, which counts as a failure by now, its tests are skipped.
    const env: Environment = { [EXECUTABLE_VARIABLE]: executable ?? "" };
    const alone = [`--ignore=${BARE_LAB_TEST}`, EXECUTABLE_TESTS];
    await this.#test("the executable in its surroundings", alone, env);
    if (!runsStockKernels) return;
    await this.#test("stock kernels on this host", [GUEST_TESTS]);
    if (executable !== undefined) {
      await this.#check("the executable in a bare root", inBareRoot(executable, [CLI_TESTS]));
    }
  }

  async everything(signal: AbortSignal): Promise<void> {
    await ensureDebianPackages(NEEDS);
    // Fetched first, so that a failure to fetch is not mistaken for a failed test.
    await kernelAsset("cloud");
    await kernelAsset("generic");
    await ethtoolFiles();
    await debianRootfs();
    await debianOciArchive();
    const { runsStockKernels } = await probeStockKernels();
    const queue = new Queue(signal);
    if (!runsStockKernels) { for (const work of inLabs()) queue.add(work); }
    queue.add(OF_THE_LAB);
    const memory = Math.floor(availableMemoryMiB() / LAB_USES_MIB);
    const lanes = Math.max(Math.min(navigator.hardwareConcurrency, memory), 1);
    const others = Array.from({ length: lanes - 1 }, (_, i) => queue.work(`${i + 1}| `));
    await this.host(queue, runsStockKernels);
    await Promise.all([queue.work("0| "), ...others]);
    add(this.total, queue.counts, true);
    this.total.skipped += queue.late.length;
    const again = [...this.again, ...queue.again];
    if (again.length > 0) say(`run more than once, as they failed: ${again.join(", ")}`);
    if (queue.late.length > 0) say(`not run to the end for lack of time: ${queue.late.join(", ")}`);
  }
}

/** The files of tests in a folder. */
function testFiles(folder: string): string[] {
  const names = [...Deno.readDirSync(`${CHECKOUT}/${folder}`)].map(({ name }) => name);
  return names.filter((name) => name.endsWith("_test.ts")).sort().map((name) =>
    `${folder}/${name}`
  );
}

/** The command line that runs another in a lab of its own. */
function inLab(command: readonly string[]): string[] {
  const lab = deno("run", "-A", "--quiet", "tests/lab/main.ts", ...LAB_OPTIONS, "--");
  // Whoever leads the lab's session, and opens a terminal, is hung up on when that closes: a shell leads it.
  const shell = ["sh", "-c", '"$@"; exit $?', "sh"];
  // Tests on this host come first.
  return ["nice", "-n", "5", ...lab, ...shell, ...command];
}

/** Tests that need a KVM for stock kernels, and those that every KVM can run. */
function inLabs(): Work[] {
  const command = (files: readonly string[]) => inLab(test(...files));
  const guest = testFiles(GUEST_TESTS).filter((file) => file !== REBIND_TEST);
  const direct = testFiles(DIRECT_TESTS).filter((file) => !NOT_IN_LAB.includes(file));
  return [
    { title: "in the lab", files: guest, command, together: FILES_PER_LAB.guest },
    { title: "in the lab", files: direct, command, together: FILES_PER_LAB.direct },
  ];
}

/** The lab's own tests. */
const OF_THE_LAB: Work = {
  title: "the lab",
  files: testFiles(LAB_TESTS),
  command: (files) => test(...files),
  together: Infinity,
};

function aloneInLab(executable: string): Work {
  return {
    title: "the executable alone in a lab",
    files: [BARE_LAB_TEST],
    command: (files) => test(...files),
    together: 1,
    env: { [EXECUTABLE_VARIABLE]: executable },
  };
}

/** The program's tests with the executable where it's alone with what it is linked with. */
function bareRootInLab(executable: string): Work {
  return {
    title: "in the lab, the executable in a bare root",
    files: testFiles(CLI_TESTS),
    command: (files) => inLab(inBareRoot(executable, files)),
    together: Infinity,
  };
}

/** The command line that tests the executable where it's alone with what it is linked with. */
function inBareRoot(executable: string, files: readonly string[]): string[] {
  const variable = `${EXECUTABLE_VARIABLE}=${executable}`;
  const enter = deno("run", "-A", "--quiet", "tests/executable/in_bare_root.ts");
  return ["env", variable, ...enter, ...test(...PROGRAM_FILTER, ...files)];
}

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, minutes: { type: "string" } },
});
const began = performance.now();
const signal = values.minutes === undefined
  ? new AbortController().signal
  : AbortSignal.timeout(Number(values.minutes) * 60_000);
const run = new Run(await Deno.makeTempDir({ prefix: "denovisor-run-" }));
const { total } = run;
try {
  await (values.quick ? run.quick() : run.everything(signal));
} catch (error) {
  if (!(error instanceof RootfsError)) throw error;
  Deno.stderr.writeSync(new TextEncoder().encode(`${error.message}\n`));
  total.failed++;
} finally {
  await Deno.remove(run.folder, { recursive: true });
}
const minutes = ((performance.now() - began) / 60_000).toFixed(1);
say(`all in ${minutes} minutes`);
Deno.stdout.writeSync(new TextEncoder().encode(`${closingLine(total)}\n`));
Deno.exit(total.failed === 0 ? 0 : 1);
