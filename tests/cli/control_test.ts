/**
 * Machines that run under names, and what other command lines do to them: processes, with the built-in guest on this
 * host's KVM.
 * @module
 */
import assert from "node:assert/strict";
import { Kvm } from "../../src/kvm/mod.ts";
import { hasTerminal, onTerminal } from "./on_terminal.ts";
import { finish, type Left, PROGRAM, programTest, spawnDenovisor } from "./process.ts";

function hasKvm(): boolean {
  try {
    using _kvm = Kvm.open();
    return Deno.build.arch === "x86_64";
  } catch {
    return false;
  }
}

const noGuest = !hasKvm();
const noTerminal = noGuest || !await hasTerminal();
/** Root alone can become somebody else. */
const noOthers = noGuest || Deno.uid() !== 0;

/** A folder for sockets, and machines that end with the test. */
class Rig implements AsyncDisposable {
  readonly runtime = Deno.makeTempDirSync();
  readonly env = { XDG_RUNTIME_DIR: this.runtime };
  readonly #running: Deno.ChildProcess[] = [];

  get folder(): string {
    return `${this.runtime}/denovisor`;
  }

  get sockets(): string[] {
    return [...Deno.readDirSync(this.folder)].map(({ name }) => name)
      .filter((name) => name !== ".lock").sort();
  }

  do(args: readonly string[], input?: string): Promise<Left> {
    return finish(spawnDenovisor(args, this.env), input);
  }

  async json(...args: string[]) {
    const { out, err } = await this.do([...args, "--json"]);
    try {
      return JSON.parse(out);
    } catch (cause) {
      throw new Error(`${args.join(" ")}: ${out}${err}`, { cause });
    }
  }

  /** Starts a machine, and waits until it runs. */
  async run(name: string, ...args: string[]): Promise<Deno.ChildProcess> {
    const child = spawnDenovisor(["run", "--name", name, ...args], this.env);
    this.#running.push(child);
    let code: number | undefined;
    child.status.then((status) => code = status.code);
    while (!await this.#runs(name)) {
      assert.equal(code, undefined, `${name} has ended before it ran`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    return child;
  }

  async #runs(name: string): Promise<boolean> {
    const machines: { name: string; state: string }[] = await this.json("ps");
    return machines.some((machine) => machine.name === name && machine.state === "running");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#running) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
      for (const stream of [child.stdout, child.stderr, child.stdin]) {
        if (!stream.locked) {
          await ("cancel" in stream ? stream.cancel() : stream.close()).catch(() => {});
        }
      }
    }
    await Deno.remove(this.runtime, { recursive: true });
  }
}

function controlTest(name: string, fn: (rig: Rig) => Promise<void>, ignore = noGuest): void {
  programTest(name, async () => {
    await using rig = new Rig();
    await fn(rig);
  }, { ignore });
}

controlTest("machines are listed, looked at, and stopped, each by its name", async (rig) => {
  assert.deepEqual(await rig.do(["ps", "--json"]), { status: 0, out: "[]\n", err: "" });
  const one = await rig.run("one", "--console", "none");
  await rig.run("two", "--console", "none", "--memory", "64M", "--cpus", "2");
  const listed = await rig.json("ps");
  assert.deepEqual(
    listed.map(({ uptime: _uptime, pid: _pid, ...rest }: Record<string, unknown>) => rest),
    [
      {
        name: "one",
        state: "running",
        kernel: "the built-in guest",
        cpus: 1,
        memory: 2 ** 29,
        agent: false,
      },
      {
        name: "two",
        state: "running",
        kernel: "the built-in guest",
        cpus: 2,
        memory: 2 ** 26,
        agent: false,
      },
    ],
  );
  if (PROGRAM.length === 1) assert.equal(listed[0].pid, one.pid);
  assert(listed[0].uptime > listed[1].uptime && listed[1].uptime > 0);
  const { out } = await rig.do(["ps"]);
  assert.match(
    out,
    /^NAME +PID +STATE +VCPUS +MEMORY +UPTIME +KERNEL\none +\d+ +running +1 +512 MiB /,
  );

  const stats = await rig.json("stats", "one");
  assert.equal(stats.exits.length, 1);
  assert(stats.exits[0].KVM_EXIT_IO > 0 && stats.devices.disk0.reads > 0);
  assert(stats.process.user > 0 && stats.process.resident > 2 ** 20);
  assert(stats.process.peak >= stats.process.resident);
  assert.match((await rig.do(["stats", "two"])).out, /^vCPU 1 /m);

  const stopped = await rig.do(["stop", "one", "two"]);
  assert.deepEqual([stopped.status, stopped.out], [0, "one\ntwo\n"]);
  // The names are free at once.
  assert.deepEqual(rig.sockets, []);
  assert.equal((await one.status).code, 0);
});

controlTest(
  "a pause halts the guest until a resume, and what was typed meanwhile waits",
  async (rig) => {
    const child = await rig.run("web");
    const writer = child.stdin.getWriter();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let out = "";
    const reading = (async () => {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        out += value;
      }
    })();
    const until = async (text: string) => {
      for (let tries = 0; !out.includes(text); tries++) {
        assert(tries < 1000, out);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    await until("> ");
    assert.deepEqual(await rig.do(["pause", "web"]), { status: 0, out: "web\n", err: "" });
    assert.equal((await rig.json("ps"))[0].state, "paused");
    const before = await rig.json("stats", "web");
    out = "";
    await writer.write(new TextEncoder().encode("time\n"));
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(out, "", "the console is silent");
    assert.deepEqual((await rig.json("stats", "web")).exits, before.exits);
    // A second one changes nothing.
    assert.equal((await rig.do(["pause", "web"])).status, 0);
    assert.equal((await rig.do(["resume", "web"])).status, 0);
    await until("by the clock");
    assert.equal((await rig.json("ps"))[0].state, "running");
    // A machine that is paused can be stopped.
    assert.equal((await rig.do(["pause", "web"])).status, 0);
    assert.deepEqual(await rig.json("stop", "web"), [{ name: "web", error: null, how: "stopped" }]);
    await reading;
    await Promise.all([writer.close().catch(() => {}), child.stderr.cancel(), child.status]);
  },
);

controlTest(
  "what does not work for one machine is told, with its status, and done for the others",
  async (rig) => {
    await rig.run("web", "--console", "none");
    const none = /^denovisor: no machine named none runs \(denovisor ps lists those that do\)\n$/;
    for (const verb of ["pause", "resume", "stop"]) {
      const { status, out, err } = await rig.do([verb, "none", "web"]);
      assert.deepEqual([status, out], [121, "web\n"], verb);
      assert.match(err, none);
    }
    for (const verb of ["stats", "console"]) {
      const { status, err } = await rig.do([verb, "none"]);
      assert.equal(status, 121);
      assert.match(err, none);
    }
    const { status, err } = await rig.do(["stop", "web", "../x"]);
    assert.equal(status, 123);
    assert.match(err, /A machine's name is/);
  },
);

controlTest("a name that a machine has is refused before anything is built", async (rig) => {
  await rig.run("web", "--console", "none");
  const { status, out, err } = await rig.do(["run", "--name", "web", "/none"], "");
  assert.deepEqual([status, out], [123, ""]);
  assert.match(err, /--name: a machine named web runs already .*denovisor stop web/);
  assert.equal((await rig.do(["run", "--name", "a b"])).status, 123);
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  controlTest(`${signal} takes the machine's socket along`, async (rig) => {
    const child = await rig.run("web", "--console", "none");
    assert.deepEqual(rig.sockets, ["web.sock"]);
    child.kill(signal);
    await child.status;
    assert.deepEqual(rig.sockets, []);
  });
}

controlTest(
  "the socket that a killed machine has left is cleared by ps, and by the next of that name",
  async (rig) => {
    for (const clear of ["ps", "run"]) {
      const child = await rig.run("web", "--console", "none");
      child.kill("SIGKILL");
      await child.status;
      assert.deepEqual(rig.sockets, ["web.sock"]);
      assert.equal((await rig.do(["pause", "web"])).status, 121);
      if (clear === "ps") {
        assert.deepEqual(await rig.json("ps"), []);
        assert.deepEqual(rig.sockets, []);
      } else {
        await rig.run("web", "--console", "none");
        assert.equal((await rig.do(["stop", "web"])).status, 0);
      }
    }
  },
);

controlTest(
  "a machine whose process does not answer is listed as silent, and waited for",
  async (rig) => {
    const child = await rig.run("web", "--console", "none");
    child.kill("SIGSTOP");
    const [machine] = await rig.json("ps");
    assert.deepEqual([machine.name, machine.state, machine.pid], ["web", "silent", null]);
    const stopping = rig.do(["stop", "web"]);
    child.kill("SIGCONT");
    assert.equal((await stopping).status, 0);
  },
);

controlTest("nobody else can open the sockets", async (rig) => {
  await rig.run("web", "--console", "none");
  const mode = (path: string) => (Deno.lstatSync(path).mode ?? 0) & 0o7777;
  assert.deepEqual([mode(rig.folder), mode(`${rig.folder}/web.sock`)], [0o700, 0o600]);
  // The folder above would let others through.
  Deno.chmodSync(rig.runtime, 0o755);
  const code = `
import os, socket, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1])
    print("connected")
except PermissionError:
    print("refused")`;
  const attempt = async (uid: number) => {
    const { stdout } = await new Deno.Command("python3", {
      args: ["-c", code, `${rig.folder}/web.sock`, `${uid}`],
    }).output();
    return new TextDecoder().decode(stdout).trim();
  };
  assert.equal(await attempt(65_534), "refused");
  assert.equal(await attempt(0), "connected");
  // Even where the folder is opened up, the socket is not.
  Deno.chmodSync(rig.folder, 0o755);
  assert.equal(await attempt(65_534), "refused");
  const { status, err } = await rig.do(["ps"]);
  assert.equal(status, 125);
  assert.match(err, /is not safe: others may use it.*chmod 700/);
  Deno.chmodSync(rig.folder, 0o700);
}, noOthers || noTerminal);

controlTest(
  "a console on a terminal shows the last lines, is typed at, and is left again",
  async (rig) => {
    const child = await rig.run("web", "--console", "none");
    const left = await onTerminal(
      [...PROGRAM, "console", "web", "--json"],
      [
        { expect: "Ctrl-A d detaches" },
        { raw: true },
        // What was printed before.
        { expect: "Type help to see" },
        { expect: "> " },
        { type: "info\r" },
        { expect: "512 MiB" },
        { type: "\x01h" },
        { expect: "Ctrl-A Ctrl-A" },
        { type: "\x01s" },
        { expect: "running" },
        { type: "\x01d" },
      ],
      rig.env,
    );
    assert.deepEqual([left.status, left.restored], [0, true]);
    assert.match(left.output, /detached from web/);
    assert.match(left.output, /\{"status":0,"end":"detached","error":null\}/);
    assert.equal((await rig.json("ps"))[0].state, "running");

    const ended = await onTerminal(
      [...PROGRAM, "console", "web"],
      [{ expect: "> " }, { raw: true }, { type: "\x01x" }],
      rig.env,
    );
    assert.deepEqual([ended.status, ended.restored], [0, true]);
    assert.match(ended.output, /web has ended/);
    assert.equal((await child.status).code, 0);
  },
  noTerminal,
);

controlTest(
  "a console in a pipe is followed to the machine's end, beside the machine's own",
  async (rig) => {
    const machine = finish(await rig.run("web", "--console", `file:${rig.runtime}/log`));
    const watching = spawnDenovisor(["console", "web", "--json"], rig.env);
    const reader = watching.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let watched = (await reader.read()).value ?? "";
    const reading = (async () => {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        watched += value;
      }
    })();
    const { status, out, err } = await rig.do(["console", "web"], "info\nexit\n");
    assert.deepEqual([status, err], [0, ""]);
    const shown = /virtio devices on PCI[^]*> info/;
    assert.match(out, shown);
    const [{ code }, report] = await Promise.all([
      watching.status,
      new Response(watching.stderr).text(),
      reading,
      watching.stdin.close(),
    ]);
    assert.match(watched, shown);
    assert.deepEqual([code, JSON.parse(report).end], [0, "machine-ended"]);
    assert.equal((await machine).status, 0);
    assert.match(await Deno.readTextFile(`${rig.runtime}/log`), /> info/);
  },
);

controlTest("a console whose machine is killed says so", async (rig) => {
  const child = await rig.run("web", "--console", "none");
  const watching = spawnDenovisor(["console", "web"], rig.env);
  const reader = watching.stdout.getReader();
  await reader.read();
  child.kill("SIGKILL");
  const [{ code }, err] = await Promise.all([
    watching.status,
    new Response(watching.stderr).text(),
  ]);
  assert.equal(code, 125);
  assert.equal(err, "denovisor: the process of the machine web has ended\n");
  await Promise.all([reader.cancel(), watching.stdin.close()]);
});

controlTest("stats are told anew each second until the machine ends", async (rig) => {
  await rig.run("web", "--console", "none");
  const watching = spawnDenovisor(["stats", "web", "--watch", "--json"], rig.env);
  const left = finish(watching);
  await new Promise((resolve) => setTimeout(resolve, 2500));
  assert.equal((await rig.do(["stop", "web"])).status, 0);
  const { status, out, err } = await left;
  assert.deepEqual([status, err], [0, ""]);
  const uptimes = out.trim().split("\n").map((line) => JSON.parse(line).uptime);
  assert(uptimes.length >= 2 && uptimes[1] > uptimes[0], out);
});
