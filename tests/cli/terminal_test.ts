/**
 * The program on a pseudo-terminal and with pipes, with a guest that runs on this host's KVM.
 * @module
 */
import assert from "node:assert/strict";
import { probeStockKernels } from "../../src/machine/probe/probe.ts";
import { Kvm } from "../../src/kvm/mod.ts";
import { buildConsoleKernel } from "./console_kernel.ts";
import {
  hasTerminal,
  onTerminal as runOnTerminal,
  type Step,
  type TerminalLeft,
} from "./on_terminal.ts";
import { denovisor, PROGRAM, programTest, spawnDenovisor } from "./process.ts";

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

const kernel = await buildConsoleKernel(folder) ?? "";

function hasKvm(): boolean {
  try {
    using _kvm = Kvm.open();
    return Deno.build.arch === "x86_64";
  } catch {
    return false;
  }
}

const noGuest = kernel === "" || !hasKvm();
const noTerminal = noGuest || !await hasTerminal();

/** Runs the program on a terminal. @throws what a step waited for in vain */
function onTerminal(args: readonly string[], ...steps: readonly Step[]): Promise<TerminalLeft> {
  return runOnTerminal([...PROGRAM, ...args], steps);
}

const running: readonly Step[] = [{ expect: "ready" }, { raw: true }];

function terminalTest(name: string, fn: () => Promise<void>): void {
  programTest(name, fn, { ignore: noTerminal });
}

function guestTest(name: string, fn: () => Promise<void>): void {
  programTest(name, fn, { ignore: noGuest });
}

terminalTest("Ctrl-A x ends the machine and restores the terminal", async () => {
  const left = await onTerminal(["run", kernel], ...running, { type: "abc" }, { expect: "abc" }, {
    type: "\x01x",
  });
  assert.deepEqual([left.status, left.restored], [0, true]);
  assert.match(left.output, /denovisor: the machine was ended/);
});

terminalTest("Ctrl-C is the guest's key, and Ctrl-A h does not reach it", async () => {
  const left = await onTerminal(
    ["run", kernel],
    ...running,
    { type: "\x01h" },
    { expect: "Ctrl-A Ctrl-A" },
    { type: "<\x03\x01\x01>" },
    { expect: "<\x03\x01>" },
    { type: "e" },
  );
  assert.deepEqual([left.status, left.restored], [42, true]);
});

terminalTest("a crash restores the terminal and is reported", async () => {
  const left = await onTerminal(["run", kernel], ...running, { type: "t" });
  assert.deepEqual([left.status, left.restored], [122, true]);
  assert.match(left.output, /denovisor: the guest crashed on vCPU 0: triple fault/);
});

for (const [signal, status] of [["SIGTERM", 143], ["SIGINT", 130], ["SIGHUP", 129]] as const) {
  terminalTest(`${signal} ends the machine and restores the terminal`, async () => {
    const left = await onTerminal(["run", kernel], ...running, { signal });
    assert.deepEqual([left.status, left.restored], [status, true]);
  });
}

terminalTest("a stop by SIGTSTP gives the terminal back until SIGCONT", async () => {
  const left = await onTerminal(
    ["run", kernel],
    ...running,
    { signal: "SIGTSTP" },
    { raw: false },
    // It's a moment until the program stops; what continues it before that is lost.
    { stopped: true },
    { signal: "SIGCONT" },
    { raw: true },
    { type: "xyz" },
    { expect: "xyz" },
    { type: "e" },
  );
  assert.deepEqual([left.status, left.restored], [42, true]);
});

terminalTest("a timeout restores the terminal", async () => {
  const left = await onTerminal(["run", kernel, "--timeout", "2s"], ...running);
  assert.deepEqual([left.status, left.restored], [124, true]);
});

terminalTest("a terminal that goes away ends the machine", async () => {
  const left = await onTerminal(["run", kernel], ...running, { hangup: true });
  assert.equal(left.status, 129);
});

terminalTest("a restart goes on with the same terminal", async () => {
  const left = await onTerminal(
    ["run", kernel, "--on-reboot", "restart"],
    ...running,
    { type: "r" },
    { expect: "restarting" },
    { expect: "ready" },
    { type: "e" },
  );
  assert.deepEqual([left.status, left.restored], [42, true]);
});

guestTest("a pipe's bytes are typed, and the guest's status is passed on", async () => {
  const { status, out, err } = await denovisor(["run", kernel], "a b\nc\ne");
  assert.deepEqual([status, out, err], [42, "ready\na b\nc\n", ""]);
});

guestTest("a reset ends with status 0, and a panic before it with that of a crash", async () => {
  const reset = await denovisor(["run", kernel], "r");
  assert.deepEqual([reset.status, reset.err], [0, ""]);
  const panic = await denovisor(["run", kernel, "--on-reboot", "restart"], "p");
  assert.equal(panic.status, 122);
  assert.equal(panic.err, "denovisor: the guest's kernel panicked: a test\n");
});

guestTest(
  "an instruction that KVM can't emulate is a crash, with what the host lacks",
  async () => {
    const { status, err } = await denovisor(["run", kernel], "i");
    assert.equal(status, 122);
    assert.match(err, /^denovisor: the guest crashed on vCPU 0: /);
    // On hardware INT3 without an IDT is a triple fault, and there's nothing to be said of the host.
    const lacks = /can't run stock kernels: it does not execute INT3.*denovisor doctor/;
    if ((await probeStockKernels()).runsStockKernels) assert.doesNotMatch(err, lacks);
    else assert.match(err, lacks);
  },
);

guestTest("the end of the input is not the end of the machine", async () => {
  const { status, err } = await denovisor(["run", kernel, "--timeout", "700ms"], "x");
  assert.equal(status, 124);
  assert.equal(err, "denovisor: stopped after 700 ms (--timeout)\n");
});

guestTest("a console's file takes the output, and a timeout shows its end", async () => {
  const log = `${folder}/console.log`;
  const args = ["run", kernel, "--console", `file:${log}`, "--timeout", "2s", "--json"];
  const { status, out, err } = await denovisor(args, "e");
  assert.deepEqual([status, out], [124, ""]);
  assert.equal(await Deno.readTextFile(log), "ready\n");
  const lines = err.trimEnd().split("\n");
  assert.deepEqual(lines.slice(0, -1), [
    "denovisor: stopped after 2.0 s (--timeout)",
    "denovisor: the last lines of the console:",
    "denovisor:   ready",
  ]);
  const report = JSON.parse(lines.at(-1) ?? "");
  assert.equal(report.status, 124);
  assert(report.exits[0].KVM_EXIT_IO > 5);
  assert(report.timeline.some(({ step }: { step: string }) => step === "kernel loaded"));
});

guestTest("SIGINT stops a guest that spins, without a terminal, too", async () => {
  const child = spawnDenovisor(["run", kernel]);
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  for (let said = ""; said !== "ready\n";) {
    const { value = "" } = await reader.read();
    said += value;
    assert(value !== "" && "ready\n".startsWith(said), said);
  }
  child.kill("SIGINT");
  assert.equal((await child.status).code, 130);
  await reader.cancel();
  await child.stdin.close();
  await child.stderr.cancel();
});

guestTest("a reader that goes away ends the machine", async () => {
  const shell = new Deno.Command("sh", {
    args: ["-c", '( yes | "$@"; echo "status $?" >&2 ) | head -c 10 >/dev/null', "sh"].concat(
      ...PROGRAM,
      "run",
      kernel,
    ),
    stdout: "piped",
    stderr: "piped",
  });
  const { stderr } = await shell.output();
  assert.equal(new TextDecoder().decode(stderr), "status 141\n");
});
