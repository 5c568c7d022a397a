import assert from "node:assert/strict";
import { runWith } from "../../src/cli/run/run.ts";
import type { RunOptions } from "../../src/cli/run/options.ts";
import type { RunReport } from "../../src/cli/run/outcome.ts";
import { parse } from "../../src/cli/program.ts";
import { verbs } from "../../src/cli/verbs.ts";
import { MachineFailedError } from "../../src/machine/mod.ts";
import { OutOfMemoryError } from "../../src/memory/mod.ts";
import { FakeFactory, FakeSystem } from "./fakes.ts";

/** The options of a command line, parsed as the program does. */
function optionsOf(...args: string[]): RunOptions {
  const call = parse(["run", "vmlinuz", ...args], verbs, new FakeSystem(false));
  if (typeof call === "number") throw new Error("the command line was refused");
  return call.options as RunOptions;
}

interface Rig {
  readonly system: FakeSystem;
  readonly factory: FakeFactory;
  readonly status: Promise<number>;
}

function start(...args: string[]): Rig {
  const system = new FakeSystem(false);
  const factory = new FakeFactory();
  const status = runWith(factory.create, ["vmlinuz"], optionsOf(...args), system);
  return { system, factory, status };
}

function reportIn(text: string): RunReport {
  return JSON.parse(text.trimEnd().split("\n").at(-1) ?? "");
}

Deno.test("the machine is built of what the options say", async () => {
  const system = new FakeSystem(false);
  const seen: unknown[] = [];
  const options = optionsOf(
    ..."--initrd i --cmdline quiet --memory 1G --cpus 2 --module a,b --protocol pvh".split(" "),
    ..."--huge-pages transparent --flat-mode 64 --flat-address 0x100000 --transport mmio".split(
      " ",
    ),
  );
  await runWith(
    (config) => {
      seen.push(config);
      return Promise.reject(new Error("enough"));
    },
    ["vmlinuz"],
    options,
    system,
  );
  assert.deepEqual(seen, [{
    kernel: "vmlinuz",
    initrd: "i",
    cmdline: "quiet",
    memory: 2 ** 30,
    cpus: 2,
    modules: [{ path: "a", cmdline: "b" }],
    protocol: "pvh",
    flat: { mode: 64, address: 0x10_0000 },
    hugePages: "transparent",
    transport: "mmio",
    console: "serial",
    devices: [],
    userDevices: [],
  }]);
});

Deno.test("a wrong configuration names the options as they are typed", async () => {
  const system = new FakeSystem(false);
  const factory = new FakeFactory();
  const options = optionsOf("--memory", "lots", "--cpus", "300");
  assert.equal(await runWith(factory.create, [""], options, system), 123);
  assert.match(system.err, /^denovisor: KERNEL: the path is empty/m);
  assert.match(system.err, /^denovisor: --memory: a size is a number.*"lots"/m);
  assert.match(system.err, /^denovisor: --cpus: .*at most 254/m);
  assert.equal(factory.built.length, 0);
});

Deno.test("the guest's status is the program's, and nothing is added to its output", async () => {
  const it = start();
  const machine = await it.factory.machine();
  machine.print("done\n");
  machine.end({ kind: "exit", status: 42 });
  assert.equal(await it.status, 42);
  assert.deepEqual([it.system.out, it.system.err], ["done\n", ""]);
});

Deno.test("--json ends standard error with the report, after the messages", async () => {
  const it = start("--json", "--timeout", "20ms", "--console", "none");
  const machine = await it.factory.machine();
  machine.print("stuck\n");
  assert.equal(await it.status, 124);
  assert.match(it.system.err, /^denovisor: stopped after 20 ms .*\n(denovisor: .*\n)+\{.*\}\n$/);
  const { end, status, exits } = reportIn(it.system.err);
  assert.deepEqual([end, status], [{ kind: "timeout", milliseconds: 20 }, 124]);
  assert.deepEqual(exits, [{ KVM_EXIT_IO: 3 }]);
});

Deno.test("--json-file writes the report there, also of a machine that could not be built", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/report.json`;
    const system = new FakeSystem(false);
    const create = () => Promise.reject(new OutOfMemoryError("the host has 4096 MiB"));
    assert.equal(await runWith(create, ["vmlinuz"], optionsOf("--json-file", path), system), 125);
    const { status, end, error } = reportIn(await Deno.readTextFile(path));
    assert.deepEqual([status, end, error], [125, null, "the host has 4096 MiB"]);
    assert.equal(system.err, "denovisor: the host has 4096 MiB\n");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a report that can't be written is an error of its own", async () => {
  const it = start("--json-file", "/no/such/folder/report.json");
  (await it.factory.machine()).end({ kind: "exit", status: 0 });
  assert.equal(await it.status, 125);
  assert.match(it.system.err, /^denovisor: --json-file: No such file or directory/);
});

Deno.test("--timeline tells the steps on standard error", async () => {
  const it = start("--timeline");
  (await it.factory.machine()).end({ kind: "exit", status: 0 });
  await it.status;
  assert.equal(it.system.err, "denovisor: timeline:\ndenovisor:       1.0 ms  built\n");
});

Deno.test("where the process's past is known, the timeline counts from its start", async () => {
  const system = new FakeSystem(false);
  const factory = new FakeFactory();
  Object.assign(system, { past: () => ({ began: -8, steps: [{ step: "runtime ready", at: 0 }] }) });
  const status = runWith(factory.create, ["vmlinuz"], optionsOf("--timeline"), system);
  (await factory.machine()).end({ kind: "exit", status: 0 });
  await status;
  const steps = [...system.err.matchAll(/([\d.]+) ms {2}(.*)/g)].map(([, at, step]) => [step, +at]);
  assert.deepEqual(steps.map(([step]) => step), [
    "process started",
    "runtime ready",
    "command line understood",
    "built",
    "machine given back",
  ]);
  assert.deepEqual(steps.slice(0, 2), [["process started", 0], ["runtime ready", 8]]);
});

Deno.test("--timeline=FILE.svg draws a picture in place of the lines", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const it = start(`--timeline=${folder}/start.svg`);
    (await it.factory.machine()).end({ kind: "exit", status: 0 });
    assert.equal(await it.status, 0);
    assert.equal(it.system.err, "");
    assert.match(await Deno.readTextFile(`${folder}/start.svg`), /^<svg [^]*>built<[^]*<\/svg>\n$/);

    const lost = start(`--timeline=${folder}/none/start.svg`);
    (await lost.factory.machine()).end({ kind: "exit", status: 0 });
    assert.equal(await lost.status, 125);
    assert.match(lost.system.err, /^denovisor: --timeline: No such file/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a word behind --timeline that is no picture is refused with what to do", () => {
  const system = new FakeSystem(false);
  assert.equal(parse(["run", "--timeline", "vmlinuz"], verbs, system), 123);
  assert.match(system.err, /'vmlinuz' is invalid.*ends in \.svg/);
});

Deno.test("a crash is reported with its details", async () => {
  const it = start();
  const report = { reason: "triple fault", vcpu: 0, details: ["rip 0"] };
  (await it.factory.machine()).end({ kind: "crash", report });
  assert.equal(await it.status, 122);
  assert.match(it.system.err, /^denovisor: the guest crashed on vCPU 0: triple fault\n/);
  assert.match(it.system.err, /^denovisor: {3}rip 0\n/m);
});

Deno.test("a machine that fails under its guest gives its error, and everything back", async () => {
  const it = start("--json");
  (await it.factory.machine()).fail(new MachineFailedError("vCPU 0: ioctl(KVM_RUN) failed"));
  assert.equal(await it.status, 125);
  assert.match(it.system.err, /^denovisor: vCPU 0: ioctl\(KVM_RUN\) failed\n\{/);
  assert.equal(it.factory.built[0].released, true);
});

Deno.test("a bug is told with its stack and the status of a host that can't", async () => {
  const system = new FakeSystem(false);
  const create = () => Promise.reject(new TypeError("x is undefined"));
  assert.equal(await runWith(create, ["vmlinuz"], optionsOf(), system), 125);
  assert.match(system.err, /^denovisor: TypeError: x is undefined\ndenovisor: +at /);
});
