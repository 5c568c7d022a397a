import assert from "node:assert/strict";
import { TYPE_AHEAD } from "../../src/cli/run/input.ts";
import { runMachine, type RunRequest, type RunResult } from "../../src/cli/run/session.ts";
import { until } from "../../src/cli/testing.ts";
import { parseConfig } from "../../src/machine/config.ts";
import { FakeFactory, FakeSystem } from "./fakes.ts";

interface Rig {
  readonly system: FakeSystem;
  readonly factory: FakeFactory;
  readonly result: Promise<RunResult>;
}

function rig(request: Partial<RunRequest> = {}, options: { terminal?: boolean } = {}): Rig {
  const system = new FakeSystem(options.terminal ?? false);
  const factory = new FakeFactory();
  const full: RunRequest = {
    config: parseConfig({ kernel: "vmlinuz" }),
    console: { kind: "stdio" },
    timeout: undefined,
    onReboot: "exit",
    ...request,
  };
  return { system, factory, result: runMachine(full, system, factory.create) };
}

const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function assertGivenBack({ system, factory }: Rig): void {
  assert.equal(system.raw, false, "the terminal is raw");
  for (const signal of [...ENDING, "SIGTSTP", "SIGCONT", "SIGWINCH"] as const) {
    assert.equal(system.listens(signal), false, `${signal} has a listener`);
  }
  assert(factory.built.every((machine) => machine.released), "a machine was not released");
}

Deno.test("the guest's output is complete when its end is told", async () => {
  const it = rig();
  const machine = await it.factory.machine();
  for (let i = 0; i < 50; i++) machine.print(`line ${i}\n`);
  machine.end({ kind: "power-off", source: "acpi" });
  const { end, timeline, restarts } = await it.result;
  assert.deepEqual(end, { kind: "power-off", source: "acpi" });
  assert.equal(it.system.out, Array.from({ length: 50 }, (_, i) => `line ${i}\n`).join(""));
  assert.deepEqual(timeline, [{ step: "built", at: 1 }]);
  assert.equal(restarts, 0);
  assertGivenBack(it);
});

Deno.test("a terminal is raw while the machine runs, and Ctrl-A x ends it", async () => {
  const it = rig({}, { terminal: true });
  const machine = await it.factory.machine();
  assert.equal(it.system.raw, true);
  it.system.type("ls\r\x03\x01\x01");
  await until(() => machine.typed === "ls\r\x03\x01", "the keys reach the guest");
  it.system.type("\x01");
  it.system.type("x");
  assert.deepEqual((await it.result).end, { kind: "user" });
  assert.equal(machine.stops, 1);
  assertGivenBack(it);
});

Deno.test("the guest is told how large the terminal is, at its start and when that changes", async () => {
  const it = rig({}, { terminal: true });
  const machine = await it.factory.machine();
  it.system.size = { columns: 132, rows: 50 };
  it.system.send("SIGWINCH");
  assert.deepEqual(machine.sizes, ["80x25", "132x50"]);
  machine.end({ kind: "power-off", source: "acpi" });
  await it.result;
  assertGivenBack(it);
});

Deno.test("Ctrl-A h and Ctrl-A s answer on standard error, on a line of their own", async () => {
  const it = rig({}, { terminal: true });
  const machine = await it.factory.machine();
  machine.print("/ # ");
  await until(() => it.system.out === "/ # ", "the prompt is shown");
  it.system.err = "";
  it.system.type("\x01s");
  await until(() => it.system.err !== "", "the status is shown");
  assert.match(it.system.err, /^\ndenovisor: vmlinuz: 1 vCPU, 512 MiB, running for \d+ ms\n$/);
  it.system.err = "";
  it.system.type("\x01h");
  await until(() => it.system.err !== "", "the help is shown");
  assert.match(it.system.err, /^denovisor: Ctrl-A x +end the machine\ndenovisor: /);
  it.system.err = "";
  it.system.type("\x01q");
  await until(() => it.system.err !== "", "the hint is shown");
  assert.match(it.system.err, /no such key/);
  assert.equal(machine.typed, "");
  machine.end({ kind: "exit", status: 3 });
  assert.deepEqual((await it.result).end, { kind: "exit", status: 3 });
  assertGivenBack(it);
});

Deno.test("Ctrl-A x works while the guest takes no input, which is bounded", async () => {
  const it = rig({}, { terminal: true });
  const machine = await it.factory.machine();
  machine.onType = () => new Promise(() => {});
  it.system.err = "";
  for (let i = 0; i < TYPE_AHEAD / 1024 + 8; i++) it.system.type("k".repeat(1024));
  await until(() => it.system.err.includes("\x07"), "the bell rings");
  it.system.type("\x01x");
  assert.deepEqual((await it.result).end, { kind: "user" });
  assertGivenBack(it);
});

Deno.test("a pipe's bytes pass to the guest as they are, and its end is not the machine's", async () => {
  const it = rig();
  const machine = await it.factory.machine();
  it.system.type("\x01x then \x03");
  it.system.type(null);
  await until(() => machine.typed === "\x01x then \x03", "the bytes reach the guest");
  assert.deepEqual(it.system.rawChanges, []);
  machine.end({ kind: "reset", source: "i8042" });
  assert.deepEqual((await it.result).end, { kind: "reset", source: "i8042" });
  assertGivenBack(it);
});

Deno.test("a guest that wants to know is told of the input's end, behind the last byte", async () => {
  const it = rig({ endOfInput: Uint8Array.of(4) });
  const machine = await it.factory.machine();
  it.system.type("exit");
  await until(() => machine.typed === "exit", "the bytes reach the guest");
  it.system.type(null);
  await until(() => machine.typed === "exit\x04", "the end reaches the guest");
  machine.end({ kind: "exit", status: 0 });
  assert.deepEqual((await it.result).end, { kind: "exit", status: 0 });
  assertGivenBack(it);
});

Deno.test("a guest that wants to know is told at once where nobody can type", async () => {
  const it = rig({ endOfInput: Uint8Array.of(4), console: { kind: "none" } });
  const machine = await it.factory.machine();
  await until(() => machine.typed === "\x04", "the end reaches the guest");
  machine.end({ kind: "exit", status: 0 });
  await it.result;
  assertGivenBack(it);
});

Deno.test("a guest that is slow to take a pipe's bytes loses none", async () => {
  const it = rig();
  const text = Array.from({ length: 40_000 }, (_, i) => `${i}\n`).join("");
  assert(text.length > 2 * TYPE_AHEAD);
  it.system.type(text);
  const machine = await it.factory.machine();
  machine.onType = () => new Promise((resolve) => queueMicrotask(resolve));
  await until(() => machine.typed.length >= text.length, "all is typed");
  assert.equal(machine.typed, text);
  machine.end({ kind: "exit", status: 0 });
  await it.result;
});

for (const signal of ENDING) {
  Deno.test(`${signal} stops the machine and gives everything back`, async () => {
    const it = rig({}, { terminal: true });
    const machine = await it.factory.machine();
    it.system.send(signal);
    assert.deepEqual((await it.result).end, { kind: "signal", signal });
    assert.equal(machine.stops, 1);
    assertGivenBack(it);
  });
}

Deno.test("a signal while the machine is being built gives it up", async () => {
  const it = rig();
  it.system.send("SIGINT");
  assert.deepEqual((await it.result).end, { kind: "signal", signal: "SIGINT" });
  assert.equal(it.factory.built.length, 0);
  assertGivenBack(it);
});

Deno.test("a second signal does not wait for a machine that won't stop", async () => {
  const it = rig();
  const machine = await it.factory.machine();
  const stopping = Promise.withResolvers<void>();
  machine.stop = () => stopping.promise;
  it.system.send("SIGTERM");
  assert.deepEqual(it.system.exits, []);
  it.system.send("SIGINT");
  assert.deepEqual(it.system.exits, [130]);
  machine.end({ kind: "stopped" });
  stopping.resolve();
  assert.deepEqual((await it.result).end, { kind: "signal", signal: "SIGTERM" });
});

Deno.test("SIGTSTP gives the terminal back until SIGCONT", async () => {
  const it = rig({}, { terminal: true });
  const machine = await it.factory.machine();
  it.system.send("SIGTSTP");
  assert.deepEqual([it.system.suspended, it.system.raw], [1, false]);
  it.system.send("SIGCONT");
  assert.equal(it.system.raw, true);
  machine.end({ kind: "exit", status: 0 });
  await it.result;
  assert.deepEqual(it.system.rawChanges, [true, false, true, false]);
  assertGivenBack(it);
});

Deno.test("a timeout stops the machine and keeps the console's last lines", async () => {
  const it = rig({ timeout: 30, console: { kind: "none" } });
  const machine = await it.factory.machine();
  machine.print("[    0.1] booting\r\nstuck");
  const { end, lastLines } = await it.result;
  assert.deepEqual(end, { kind: "timeout", milliseconds: 30 });
  assert.deepEqual(lastLines, ["[    0.1] booting", "stuck"]);
  assert.equal(machine.stops, 1);
  assert.equal(it.system.out, "");
  assertGivenBack(it);
});

Deno.test("a restart builds a new machine, and both input and output go on with it", async () => {
  const it = rig({ onReboot: "restart" }, { terminal: true });
  const first = await it.factory.machine(0);
  first.print("one\n");
  first.end({ kind: "reset", source: "i8042" });
  const second = await it.factory.machine(1);
  assert(first.released);
  it.system.type("hello");
  await until(() => second.typed === "hello", "the second machine is typed into");
  second.print("two\n");
  second.end({ kind: "power-off", source: "acpi" });
  const { end, restarts } = await it.result;
  assert.deepEqual([end, restarts], [{ kind: "power-off", source: "acpi" }, 1]);
  assert.equal(it.system.out, "one\ntwo\n");
  assert.match(it.system.err, /denovisor: the guest was reset \(i8042\); restarting\n/);
  // It stays raw in between: a key typed during the restart is neither echoed nor a signal.
  assert.deepEqual(it.system.rawChanges, [true, false]);
  assertGivenBack(it);
});

Deno.test("only a reset restarts a machine", async () => {
  const it = rig({ onReboot: "restart" });
  (await it.factory.machine()).end({ kind: "panic", message: "no init" });
  assert.deepEqual((await it.result).end, { kind: "panic", message: "no init" });
  assert.equal(it.factory.built.length, 1);
});

Deno.test("a reader of standard output that goes away ends the machine", async () => {
  const it = rig();
  const machine = await it.factory.machine();
  it.system.onWrite = () => {
    throw new Deno.errors.BrokenPipe("Broken pipe (os error 32)");
  };
  machine.print("y\n");
  assert.deepEqual((await it.result).end, { kind: "output-closed" });
  assert.equal(machine.stops, 1);
  assertGivenBack(it);
});

Deno.test("a reader of standard output that stops reading does not hold up a signal", async () => {
  const it = rig();
  const machine = await it.factory.machine();
  const blocked = Promise.withResolvers<void>();
  it.system.onWrite = () => blocked.promise;
  machine.print("y\n");
  it.system.send("SIGINT");
  assert.deepEqual((await it.result).end, { kind: "signal", signal: "SIGINT" });
  blocked.resolve();
});

Deno.test("trouble with standard output ends the machine with the error itself", async () => {
  const it = rig();
  const machine = await it.factory.machine();
  const error = new Error("No space left on device (os error 28)");
  it.system.onWrite = () => Promise.reject(error);
  machine.print("y\n");
  await assert.rejects(it.result, error);
  assert.equal(machine.stops, 1);
  assertGivenBack(it);
});

Deno.test("a console's file takes the output; nothing is read from standard input", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/console.log`;
    await Deno.writeTextFile(path, "what was there before");
    const it = rig({ console: { kind: "file", path } }, { terminal: true });
    const machine = await it.factory.machine();
    it.system.type("typed");
    machine.print("to the file\n");
    machine.end({ kind: "exit", status: 7 });
    assert.deepEqual((await it.result).end, { kind: "exit", status: 7 });
    assert.equal(await Deno.readTextFile(path), "to the file\n");
    assert.deepEqual([machine.typed, it.system.out, it.system.rawChanges], ["", "", []]);
    assertGivenBack(it);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a console's file that can't be written is refused before a machine is built", async () => {
  const it = rig({ console: { kind: "file", path: "/no/such/folder/log" } });
  await assert.rejects(it.result, { name: "UsageError", message: /^--console: the file can't/ });
  assert.equal(it.factory.built.length, 0);
  assertGivenBack(it);
});

Deno.test("a machine that can't be built gives its error, and the terminal was never touched", async () => {
  const system = new FakeSystem(true);
  const error = new Error("no memory");
  const request: RunRequest = {
    config: parseConfig({ kernel: "vmlinuz" }),
    console: { kind: "stdio" },
    timeout: 60_000,
    onReboot: "exit",
  };
  await assert.rejects(runMachine(request, system, () => Promise.reject(error)), error);
  assert.deepEqual(system.rawChanges, []);
  assert(ENDING.every((signal) => !system.listens(signal)));
});
