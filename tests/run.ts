/**
 * `deno task test`: everything that can be checked on this machine, on both rigs; `deno task ok` (`--quick`):
 * what takes less than two minutes, with what is installed already.
 *
 * The whole run installs what it lacks, then runs the static checks, the tests of the host, and the tests that need a KVM
 * for stock kernels: on the host where it has one, in the lab otherwise. Closes with one line,
 * `N passed, N failed, N skipped`, and with status 1 if anything failed.
 * @module
 */
import {
  debianOciArchive,
  debianRootfs,
  ensureDebianPackages,
  kernelAsset,
  RootfsError,
} from "./assets/mod.ts";
import { EXECUTABLE_VARIABLE } from "./cli/process.ts";
import { ethtoolFiles } from "./guest/peer.ts";
import { CHECKOUT } from "./lab/mod.ts";
import { probeStockKernels } from "../src/machine/probe/probe.ts";
import { add, closingLine, type Counts, readCounts } from "./summary.ts";

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
    "tests/summary_test.ts",
    "tests/cli",
    "tests/payloads",
    DIRECT_TESTS,
  ],
];
/** Tests of which some run the program: those are run a second time, with the executable. */
const PROGRAM_TESTS = ["--filter", "[the executable]", "tests/cli"];
/** Tests of the executable and of what makes it. */
const EXECUTABLE_TESTS = "tests/executable";
/** One of them that boots a lab. */
const BARE_LAB_TEST = "tests/executable/bare_lab_test.ts";
/** Tests that need a KVM for stock kernels. */
const GUEST_TESTS = "tests/guest";
/** What the lab is given for them: guests of up to 6 GiB, and images in its memory. */
const LAB_OPTIONS = ["--memory", "10G"];
/** So many of their files share a lab: its boot takes as long as most of them, and it is tried again as a whole. */
const FILES_PER_LAB = 3;
/** Direct tests that say nothing more in the lab: of comparisons, whose figures mean nothing there, and of `deno test`. */
const NOT_IN_LAB = [
  KILL_TEST,
  ...["speed", "start", "vm_test"].map((name) => `${DIRECT_TESTS}/${name}_test.ts`),
];
/** Tests that fetch packages. */
const ASSET_TESTS = "tests/assets";
/** Tests that boot the lab. */
const LAB_TESTS = "tests/lab";

const encoder = new TextEncoder();

/** No test is silent for so long: a step that is stands still, which no test in it can notice. */
const STANDSTILL_MS = 5 * 60_000;
/** Nor is a lab until its first test is named; about one in ten stands still right after its boot. */
const LAB_START_MS = 150_000;

/** Variables for a command, beside our own. */
type Environment = Readonly<Record<string, string>>;

/** Runs a command with its output shown as it comes. @param startMs how long it may take until there's some */
async function show(
  [program, ...args]: string[],
  env: Environment = {},
  startMs = STANDSTILL_MS,
) {
  const child = new Deno.Command(program, {
    args,
    cwd: CHECKOUT,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
    // Without an executable, it's the source tree that is tested.
    env: { DENO_NO_UPDATE_CHECK: "1", [EXECUTABLE_VARIABLE]: "", ...env },
  }).spawn();
  const end = () => child.kill("SIGTERM");
  let timer = setTimeout(end, startMs);
  let tail = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    clearTimeout(timer);
    timer = setTimeout(end, STANDSTILL_MS);
    Deno.stdout.writeSync(chunk);
    // The counts stand in the last lines; a failing run lists its failures before them.
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-4096);
  }
  clearTimeout(timer);
  const { success } = await child.status;
  return { counts: readCounts(tail), success };
}

/** Runs one step of the whole and adds up what it counted. @returns whether it succeeded */
async function step(
  title: string,
  command: string[],
  total: Counts,
  env?: Environment,
): Promise<boolean> {
  say(`== ${title}`);
  const { counts, success } = await show(command, env);
  add(total, counts, success);
  return success;
}

/** How often tests that need the lab are tried. */
const LAB_TRIES = 3;

/**
 * Runs a step that needs the lab; again where it fails.
 *
 * The lab's emulator loses interrupts, and now and then crashes its kernel (tests/lab/qemu.ts): a failure there
 * counts when it comes each time. What was run more than once is listed at the end.
 */
async function tried(
  title: string,
  command: string[],
  total: Counts,
  again: string[],
  env?: Environment,
): Promise<void> {
  say(`== ${title}`);
  let result = await show(command, env, LAB_START_MS);
  for (let tries = 1; !result.success && tries < LAB_TRIES; tries++) {
    again.push(title);
    say(`== ${title}, once more`);
    result = await show(command, env, LAB_START_MS);
  }
  add(total, result.counts, result.success);
}

/** The command line that runs another in a lab of its own. */
function inLab(command: string[]): string[] {
  const lab = deno("run", "-A", "--quiet", "tests/lab/main.ts", ...LAB_OPTIONS, "--");
  // Whoever leads the lab's session, and opens a terminal, is hung up on when that closes: a shell leads it.
  const shell = ["sh", "-c", '"$@"; exit $?', "sh"];
  return [...lab, ...shell, ...command];
}

/** Runs tests, by files or folders, in a lab of their own. */
async function labStep(tests: readonly string[], total: Counts, again: string[]): Promise<void> {
  const command = inLab(test(`--ignore=${NOT_IN_LAB}`, ...tests));
  await tried(`in the lab: ${tests.join(", ")}`, command, total, again);
}

/** The command line that tests the executable where it's alone with what it is linked with. */
function inBareRoot(executable: string): string[] {
  const variable = `${EXECUTABLE_VARIABLE}=${executable}`;
  const enter = deno("run", "-A", "--quiet", "tests/executable/in_bare_root.ts");
  return ["env", variable, ...enter, ...test(...PROGRAM_TESTS)];
}

function say(line: string): void {
  Deno.stdout.writeSync(encoder.encode(`\n${line}\n`));
}

/** The files of tests that need a KVM for stock kernels. */
function guestTests(): string[] {
  const files = [...Deno.readDirSync(`${CHECKOUT}/${GUEST_TESTS}`)].map(({ name }) => name);
  return files.filter((name) => name.endsWith("_test.ts")).sort()
    .map((name) => `${GUEST_TESTS}/${name}`);
}

const deno = (...args: string[]) => [Deno.execPath(), ...args];
const test = (...args: string[]) => deno("test", "-A", "--no-check", "--doc", ...args);

/** Makes the executable, and runs the program's tests with it. @returns its path, or undefined where it wasn't made */
async function executableGate(folder: string, total: Counts): Promise<string | undefined> {
  const path = `${folder}/denovisor`;
  const compile = deno("task", "compile", "--way", "append", "--out", path);
  if (!await step("the executable", compile, total)) return undefined;
  const env = { [EXECUTABLE_VARIABLE]: path };
  await step("the executable on this host", test(...PROGRAM_TESTS), total, env);
  return path;
}

/** @param folder where the executable is made @returns its path, or undefined where it couldn't be made */
async function quickGate(folder: string, total: Counts): Promise<string | undefined> {
  await step("format", deno("fmt", "--check", "--quiet"), total);
  await step("lint", deno("lint", "--quiet"), total);
  await step("types", deno("check", "--quiet"), total);
  await step("on this host", test(`--ignore=${KILL_TEST}`, ...QUICK_TESTS), total);
  return await executableGate(folder, total);
}

async function everything(folder: string, total: Counts): Promise<void> {
  await ensureDebianPackages(NEEDS);
  // Fetched first, so that a failure to fetch is not mistaken for a failed test.
  await kernelAsset("cloud");
  await kernelAsset("generic");
  await ethtoolFiles();
  await debianRootfs();
  await debianOciArchive();
  const executable = await quickGate(folder, total);
  await step("what takes longer on this host", test(KILL_TEST, ASSET_TESTS), total);
  // Where there's no executable, which counts as a failure by now, its tests are skipped.
  const env: Environment = { [EXECUTABLE_VARIABLE]: executable ?? "" };
  const alone = test(`--ignore=${BARE_LAB_TEST}`, EXECUTABLE_TESTS);
  await step("the executable in its surroundings", alone, total, env);
  const again: string[] = [];
  await tried("the lab", test(LAB_TESTS), total, again);
  await tried("the executable alone in a lab", test(BARE_LAB_TEST), total, again, env);
  const { runsStockKernels } = await probeStockKernels();
  if (runsStockKernels) {
    await step("stock kernels on this host", test(GUEST_TESTS), total);
    if (executable !== undefined) {
      await step("the executable in a bare root", inBareRoot(executable), total);
    }
  } else {
    await labStep([DIRECT_TESTS], total, again);
    const files = guestTests().filter((file) => file !== REBIND_TEST);
    for (let at = 0; at < files.length; at += FILES_PER_LAB) {
      await labStep(files.slice(at, at + FILES_PER_LAB), total, again);
    }
    if (executable !== undefined) {
      const title = "in the lab: the executable in a bare root";
      await tried(title, inLab(inBareRoot(executable)), total, again);
    }
  }
  if (again.length > 0) say(`run once more, as they failed: ${again.join("; ")}`);
}

const total: Counts = { passed: 0, failed: 0, skipped: 0 };
const began = performance.now();
const folder = await Deno.makeTempDir({ prefix: "denovisor-run-" });
try {
  await (Deno.args.includes("--quick") ? quickGate(folder, total) : everything(folder, total));
} catch (error) {
  if (!(error instanceof RootfsError)) throw error;
  Deno.stderr.writeSync(encoder.encode(`${error.message}\n`));
  total.failed++;
} finally {
  await Deno.remove(folder, { recursive: true });
}
const minutes = ((performance.now() - began) / 60_000).toFixed(1);
say(`all in ${minutes} minutes`);
Deno.stdout.writeSync(encoder.encode(`${closingLine(total)}\n`));
Deno.exit(total.failed === 0 ? 0 : 1);
