/**
 * `denovisor run` without a kernel: what a newcomer sees, and what a script can do with it.
 * @module
 */
import assert from "node:assert/strict";
import { Kvm } from "../../src/kvm/mod.ts";
import type { RunReport } from "../../src/cli/run/outcome.ts";
import { denovisor, PROGRAM, programTest, spawnDenovisor } from "./process.ts";

const ignore = !hasKvm();

function hasKvm(): boolean {
  try {
    using _kvm = Kvm.open();
    return Deno.build.arch === "x86_64";
  } catch {
    return false;
  }
}

async function hasPython(): Promise<boolean> {
  try {
    const options: Deno.CommandOptions = {
      stdout: "null",
      stderr: "null",
      args: ["-c", "import pty"],
    };
    return (await new Deno.Command("python3", options).output()).success;
  } catch {
    return false;
  }
}

const noTerminal = ignore || !await hasPython();

function guestTest(name: string, fn: () => Promise<void>): void {
  programTest(name + (ignore ? " (needs /dev/kvm)" : ""), fn, { ignore });
}

const GREETING = `denovisor: the built-in guest
This is a virtual machine: 1 vCPU, 512 MiB of memory, virtio devices on PCI.
disk "disk0" of 16 MiB: wrote 1 MiB, flushed, read it back: all as written

Boot a kernel of yours:  denovisor run vmlinuz --initrd initrd.img
See all options:         denovisor help run

Type help to see what this guest can do, exit to end it.
> `;

guestTest(
  "run without a kernel shows the built-in guest, and ends where nothing is typed",
  async () => {
    const { status, out, err } = await denovisor(["run"]);
    assert.deepEqual([status, err], [0, ""]);
    assert.equal(out, `${GREETING}\nThe machine ends.\n`);
  },
);

guestTest("the built-in guest answers what a pipe says, and ends where it is told to", async () => {
  const { status, out, err } = await denovisor(
    ["run", "--transport", "mmio"],
    "disk\nhalp\nexit\n?",
  );
  assert.deepEqual([status, err], [0, ""]);
  assert.match(out, /> disk\ndisk "disk0" of 16 MiB: wrote 1 MiB/);
  assert.match(out, /> halp\nThere is no command "halp"; try help\./);
  assert.match(out, /> exit\nThe machine ends\.\n$/);
});

guestTest("the built-in guest waits for input that is late", async () => {
  const child = spawnDenovisor(["run"]);
  const output = child.output();
  const writer = child.stdin.getWriter();
  for (const text of ["inf", "o\n", "up", "time"]) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await writer.write(new TextEncoder().encode(text));
  }
  await writer.close();
  const { code, stdout } = await output;
  assert.equal(code, 0);
  const text = new TextDecoder().decode(stdout);
  assert.match(
    text,
    /> info\nThis is .*\nvirtio disk .*\n> uptime\nup for \d+ seconds?\n> The mach/,
  );
});

guestTest("the built-in guest ends by itself where its console is a file or none", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const log = `${folder}/console.log`;
    const toFile = await denovisor(["run", "--console", `file:${log}`]);
    assert.deepEqual(toFile, { status: 0, out: "", err: "" });
    assert.equal(await Deno.readTextFile(log), `${GREETING}\nThe machine ends.\n`);
    assert.deepEqual(await denovisor(["run", "--console", "none"]), {
      status: 0,
      out: "",
      err: "",
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

guestTest("a run of the built-in guest is reported like any other", async () => {
  const { status, err } = await denovisor([
    "run",
    "--console",
    "none",
    "--json",
    "--timeout",
    "60s",
  ]);
  const report: RunReport = JSON.parse(err);
  assert.deepEqual([status, report.status, report.end, report.error], [
    0,
    0,
    { kind: "exit", status: 0 },
    null,
  ]);
  const steps = report.timeline.map(({ step }: { step: string }) => step);
  assert.deepEqual(steps.slice(-2), ["guest's first output", "guest's end"]);
});

guestTest("a user's image is read by the built-in guest, and stays as it is", async () => {
  const path = await Deno.makeTempFile();
  try {
    const bytes = new Uint8Array(1 << 20).fill(0x5a);
    await Deno.writeFile(path, bytes);
    const { status, out } = await denovisor(["run", "--disk", path, "--disk", "memory=64K"]);
    assert.equal(status, 0);
    assert.match(out, /"disk0" of 1 MiB: read 1 MiB \(it is yours: nothing is written to it\)\n/);
    assert.match(out, /"disk1" of 64 KiB: wrote 64 KiB, flushed, read it back: all as written\n/);
    assert.deepEqual(await Deno.readFile(path), bytes);
  } finally {
    await Deno.remove(path);
  }
});

programTest(
  `the built-in guest is a newcomer's on a terminal${
    noTerminal ? " (needs python3, /dev/kvm)" : ""
  }`,
  async () => {
    const steps = [
      { expect: "\r\n> " },
      { type: "hekp\x7f\x7flp\r" },
      { expect: "uptime  for how long" },
      { type: "nonsense\x03" },
      { expect: "^C\r\n> " },
      { type: "\x01s" },
      { expect: "the built-in guest: 1 vCPU, 512 MiB, running for" },
      { type: "\x04" },
    ];
    const { stdout } = await new Deno.Command("python3", {
      args: [
        new URL("./pty.py", import.meta.url).pathname,
        JSON.stringify(steps),
        ...PROGRAM,
        "run",
      ],
      env: { DENO_NO_UPDATE_CHECK: "1" },
      stderr: "inherit",
    }).output();
    const { status, output, restored, error } = JSON.parse(new TextDecoder().decode(stdout));
    assert.equal(error, null, output);
    assert.deepEqual([status, restored], [0, true]);
    assert(output.includes(GREETING.replaceAll("\n", "\r\n")), output);
    assert.match(output, /\r\nThe machine ends\.\r\ndenovisor: the guest ended with status 0\r\n$/);
  },
  { ignore: noTerminal },
);
