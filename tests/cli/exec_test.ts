/**
 * `denovisor exec` as a process, with the real agent as a program of this host in place of a guest.
 * @module
 */
import assert from "node:assert/strict";
import { Places } from "../../src/cli/control/places.ts";
import { ControlServer } from "../../src/cli/control/server.ts";
import { FakeControlled } from "../../src/cli/control/testing.ts";
import type { GuestCommand } from "../../src/cli/control/controlled.ts";
import { ControlError, type RequestOf } from "../../src/cli/control/protocol.ts";
import { controlError, spawnIn } from "../../src/cli/run/guest_agent.ts";
import { NativeAgent, runsAgent } from "../guest/native_agent.ts";
import { assertSecondInterruptKills } from "./interrupted.ts";
import { hasTerminal, onTerminal } from "./on_terminal.ts";
import { finish, type Left, PROGRAM, programTest, spawnDenovisor } from "./process.ts";

const noTerminal = !runsAgent || !await hasTerminal();

/** A machine whose guest is this host. */
class HostMachine extends FakeControlled {
  constructor(name: string, private readonly agent: NativeAgent) {
    super(name);
  }

  // A real command takes the place of a fake one.
  start(request: RequestOf<"exec">): Promise<GuestCommand> {
    return spawnIn(this.agent.guest, request).catch((error) => {
      throw controlError(error);
    });
  }
}

interface Rig {
  readonly agent: NativeAgent;
  readonly env: Readonly<Record<string, string>>;
  readonly machine: HostMachine;
  exec(args: readonly string[], input?: string): Promise<Left>;
}

function execTest(name: string, fn: (rig: Rig) => Promise<void>, ignore = !runsAgent): void {
  programTest(name, async () => {
    await using stack = new AsyncDisposableStack();
    const runtime = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(runtime, { recursive: true }));
    const agent = stack.use(await NativeAgent.start());
    const around = { runtime, uid: Deno.uid() ?? 0, run: "/none", temporary: "/none" };
    const machine = new HostMachine("box", agent);
    const controlled = {
      info: () => machine.info(),
      stats: () => machine.stats(),
      pause: () => machine.pause(),
      resume: () => machine.resume(),
      stop: machine.stop.bind(machine),
      console: machine.console,
      spawn: (request: RequestOf<"exec">) => machine.start(request),
    };
    stack.use(new ControlServer(await Places.open(around).claim("box"), controlled));
    const env = { XDG_RUNTIME_DIR: runtime };
    const exec = (args: readonly string[], input = "") =>
      finish(spawnDenovisor(["exec", ...args], env), input);
    await fn({ agent, env, machine, exec });
  }, { ignore });
}

execTest("exec ends with the command's status, and keeps its outputs apart", async ({ exec }) => {
  const script = "echo out; echo err >&2; exit 7";
  assert.deepEqual(await exec(["box", "sh", "-c", script]), {
    status: 7,
    out: "out\n",
    err: "err\n",
  });
  // With -- too, and options of the command's own.
  assert.deepEqual((await exec(["box", "--", "sh", "-c", "exit 3"])).status, 3);
  assert.equal((await exec(["box", "echo", "--", "-e", "--help"])).out, "-- -e --help\n");
});

execTest(
  "a command that can't be started, or is killed, has a status of its own",
  async ({ exec }) => {
    const missing = await exec(["box", "no-such-command"]);
    assert.equal(missing.status, 127);
    assert.match(
      missing.err,
      /^denovisor: the guest can't execute "no-such-command": no such file/,
    );
    assert.equal((await exec(["box", "/etc/passwd"])).status, 126);
    const killed = await exec(["--json", "box", "sh", "-c", "kill -TERM $$"]);
    assert.equal(killed.status, 143);
    assert.deepEqual(JSON.parse(killed.err), { status: 143, code: null, signal: 15, error: null });
    const nowhere = await exec(["-w", "/no/such/folder", "box", "true"]);
    assert.equal(nowhere.status, 125, nowhere.err);
  },
);

execTest("a machine that is not there, or has no agent, has a status of its own", async (rig) => {
  const none = await rig.exec(["--json", "other", "true"]);
  assert.equal(none.status, 121);
  assert.match(none.err, /^denovisor: no machine named other runs/);
  assert.equal(JSON.parse(none.err.split("\n")[1]).status, 121);
  rig.machine.start = () => Promise.reject(new ControlError("no-agent", "there is none"));
  assert.deepEqual(await rig.exec(["box", "true"]), {
    status: 120,
    out: "",
    err: "denovisor: there is none\n",
  });
  assert.equal((await rig.exec(["box"])).status, 123);
  assert.equal((await rig.exec(["../box", "true"])).status, 123);
  assert.equal((await rig.exec(["-e", "=x", "box", "true"])).status, 123);
  assert.match((await rig.exec(["-it", "box", "true"])).err, /standard input is no terminal/);
});

execTest("input and output pass through unchanged, however much there is", async ({ env }) => {
  const child = spawnDenovisor(["exec", "-i", "box", "cat"], env);
  const block = crypto.getRandomValues(new Uint8Array(65_521));
  const count = 200;
  const writer = child.stdin.getWriter();
  const writing = (async () => {
    for (let i = 0; i < count; i++) await writer.write(block);
    await writer.close();
  })();
  let length = 0;
  let differs = 0;
  for await (const bytes of child.stdout) {
    for (const byte of bytes) if (byte !== block[length++ % block.length]) differs++;
  }
  await writing;
  assert.deepEqual([length, differs, (await child.status).code], [count * block.length, 0, 0]);
  await child.stderr.cancel();
});

execTest("a command has input with -i only, and may leave it unread", async ({ exec }) => {
  assert.equal((await exec(["box", "cat"], "not for it")).out, "");
  assert.equal((await exec(["-i", "box", "cat"], "for it")).out, "for it");
  assert.deepEqual((await exec(["-i", "box", "true"], "x".repeat(1 << 20))).status, 0);
});

execTest("environment, folder and user are as asked for", async ({ exec, agent }) => {
  const script = 'echo "$A,$B $(pwd)"';
  const args = ["-e", "A=1=2", "--env=B=", "-w", agent.folder, "box", "sh", "-c", script];
  assert.equal((await exec(args)).out, `1=2, ${agent.folder}\n`);
  const uid = Deno.uid() ?? 0;
  assert.equal((await exec(["-u", `${uid}`, "box", "id", "-u"])).out, `${uid}\n`);
});

execTest(
  "SIGINT is the command's, a second one kills it",
  ({ env }) => assertSecondInterruptKills("box", env),
);

execTest("a client that is killed takes its command along", async ({ env, agent }) => {
  const file = `${agent.folder}/pid`;
  const child = spawnDenovisor(
    ["exec", "box", "sh", "-c", `echo $$ > ${file}; exec sleep 100`],
    env,
  );
  let pid = "";
  while (pid === "") {
    await new Promise((resolve) => setTimeout(resolve, 10));
    pid = (await Deno.readTextFile(file).catch(() => "")).trim();
  }
  child.kill("SIGKILL");
  await Promise.all([
    child.status,
    child.stdout.cancel(),
    child.stderr.cancel(),
    child.stdin.close(),
  ]);
  const gone = async () => {
    const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => undefined);
    return status === undefined || /^State:\s+Z/m.test(status);
  };
  for (let tries = 0; !await gone(); tries++) {
    assert(tries < 500, `process ${pid} is still there`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});

execTest("a guest that dies under a command is an error at once", async ({ env, agent }) => {
  const child = spawnDenovisor(["exec", "box", "sh", "-c", "echo ready; sleep 100"], env);
  const left = finish(child);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = performance.now();
  await agent.kill();
  agent.end(new Error("the guest has crashed"));
  const { status, err } = await left;
  assert.equal(status, 125);
  assert.match(err, /^denovisor: the guest is gone: the guest has crashed\n$/);
  assert(performance.now() - before < 5000);
});

execTest(
  "-t alone gives a command a terminal of the usual size, and nothing to read",
  async (rig) => {
    const { status, out, err } = await rig.exec(["-t", "box", "sh", "-c", "tty; stty size <&1"]);
    assert.deepEqual([status, err], [0, ""]);
    assert.match(out, /24 80\r\n$/);
  },
);

execTest("a reader that has gone ends the command", async ({ env }) => {
  const words = [...PROGRAM, "exec", "box", "yes"].map((word) => `'${word}'`).join(" ");
  const { stderr } = await new Deno.Command("sh", {
    args: ["-c", `{ ${words}; echo $? >&2; } | head -n 1`],
    env: { ...env, DENO_NO_UPDATE_CHECK: "1" },
    stdout: "null",
  }).output();
  assert.equal(new TextDecoder().decode(stderr), "141\n");
});

execTest(
  "a terminal is the command's: size, keys, and the user's is given back",
  async ({ env }) => {
    const left = await onTerminal(
      [...PROGRAM, "exec", "-it", "-e", "PS1=# ", "box", "sh"],
      [
        { expect: "# " },
        { raw: true },
        { type: "stty size; tty; test -t 2 && echo both\r" },
        { expect: "24 80" },
        { expect: "/dev/pts/" },
        { expect: "both" },
        { resize: [33, 101] },
        { type: "sleep 0.3; stty size\r" },
        { expect: "33 101" },
        { expect: "# " },
        { type: "sh -c 'echo begin; exec sleep 100'\r" },
        { expect: "\nbegin" },
        { type: "\x03" },
        { expect: "# " },
        { type: "exit 5\r" },
      ],
      env,
    );
    assert.deepEqual([left.status, left.restored], [5, true], left.output);
  },
  noTerminal,
);

for (const [signal, status] of [["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  execTest(`${signal} ends a command on a terminal, which is given back`, async ({ env }) => {
    const left = await onTerminal(
      [...PROGRAM, "exec", "-it", "box", "sh", "-c", "echo ready; exec sleep 100"],
      [{ expect: "ready" }, { raw: true }, { signal }],
      env,
    );
    assert.deepEqual([left.status, left.restored], [status, true], left.output);
  }, noTerminal);
}
