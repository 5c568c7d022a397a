import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { agentTest } from "../../../tests/guest/native_agent.ts";
import { StreamText } from "../../../tests/guest/stream_text.ts";
import { assertTerminal } from "../../../tests/guest/terminal_command.ts";
import { GuestError, GuestRefusedError, GuestTimeoutError } from "./mod.ts";

const isRoot = Deno.uid() === 0;
const COMMANDS_AT_ONCE = 64;

/** Whether a process of this host's is there, and no zombie. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

/** Whether a process of this host's sleeps for so long. */
function isRun(seconds: string): boolean {
  return [...Deno.readDirSync("/proc")].some(({ name }) => {
    try {
      return /^\d+$/.test(name) &&
        Deno.readTextFileSync(`/proc/${name}/cmdline`).startsWith(`sleep\0${seconds}\0`);
    } catch {
      return false; // It has ended meanwhile.
    }
  });
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail("it did not come to pass within 5 s");
}

agentTest("a command's output, errors and exit code come apart", async ({ guest }) => {
  const result = await guest.exec(["sh", "-c", "echo out; echo err >&2; exit 7"]);
  assert.equal(result.stdoutText, "out\n");
  assert.equal(result.stderrText, "err\n");
  assert.deepEqual([result.success, result.code, result.signal], [false, 7, null]);
  assert.equal((await guest.exec(["true"])).success, true);
});

agentTest("arguments arrive as they are", async ({ guest }) => {
  const args = ["", " ", "a b", "'\"$x`\\", "ünï\u{1f600}", "--", "-n", "line\nline", "*"];
  const { stdoutText } = await guest.exec(["printf", "%s\\0"], { args });
  assert.deepEqual(stdoutText.split("\0").slice(0, -1), args);
});

agentTest("64 MiB of random bytes go through a command unchanged", async ({ guest }) => {
  const input = randomBytes(64 << 20);
  const { stdout, code } = await guest.exec(["cat"], { stdin: input });
  assert.equal(code, 0);
  assert(Buffer.compare(stdout, input) === 0);
});

agentTest("input may be text, a stream or nothing", async ({ guest }) => {
  assert.equal((await guest.exec(["cat"], { stdin: "tëxt" })).stdoutText, "tëxt");
  const stream = ReadableStream.from([
    new Uint8Array([0, 255]),
    new Uint8Array(),
    Uint8Array.of(7),
  ]);
  assert.deepEqual([...(await guest.exec(["cat"], { stdin: stream })).stdout], [0, 255, 7]);
  assert.equal((await guest.exec(["cat"])).stdoutText, "");
  assert.equal((await guest.exec(["cat"], { stdin: "" })).stdoutText, "");
});

agentTest("input that fails ends the command with the input's error", async ({ guest }) => {
  const stdin = new ReadableStream<Uint8Array>({
    pull() {
      throw new Error("the source is dry");
    },
  });
  await assert.rejects(guest.exec(["cat"], { stdin }), /the source is dry/);
});

agentTest("a command that leaves its input unread is none the worse", async ({ guest }) => {
  const { code } = await guest.exec(["true"], { stdin: randomBytes(8 << 20) });
  assert.equal(code, 0);
  let isCancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(65536)),
    cancel: () => void (isCancelled = true),
  });
  assert.equal((await guest.exec(["head", "-c1"], { stdin: endless })).stdout.length, 1);
  assert(isCancelled);
  const silent = new ReadableStream<Uint8Array>();
  assert.equal((await guest.exec(["true"], { stdin: silent })).code, 0);
});

agentTest("the environment is the usual one, and what is given", async ({ guest }) => {
  const variables = async (options: object) => {
    const { stdoutText } = await guest.exec(["/usr/bin/env"], options);
    return Object.fromEntries(stdoutText.trim().split(/\r?\n/).map((line) => line.split("=")));
  };
  const usual = await variables({ env: { A: "1", HOME: "/x" } });
  assert.equal(usual.A, "1");
  assert.equal(usual.HOME, "/x");
  assert.match(usual.PATH, /\/usr\/bin/);
  assert.deepEqual(await variables({ env: { A: "1" }, clearEnv: true }), { A: "1" });
  assert.equal((await variables({ tty: { columns: 80, rows: 25 } })).TERM, "xterm");
});

agentTest("a command is found in the given PATH, and run in the given folder", async (agent) => {
  const { guest, folder } = agent;
  await Deno.mkdir(`${folder}/bin`);
  await Deno.writeTextFile(`${folder}/bin/hello`, "#!/bin/sh\npwd\n", { mode: 0o755 });
  // Without a line that names its interpreter, as execvp(3) has it.
  await Deno.writeTextFile(`${folder}/bin/plain`, 'echo plain "$1"\n', { mode: 0o755 });
  await Deno.writeTextFile(`${folder}/bin/closed`, "echo no\n", { mode: 0o644 });
  const env = { PATH: `/nonexistent:${folder}/bin:/usr/bin:/bin` };
  const { stdoutText } = await guest.exec(["hello"], { env, cwd: folder });
  assert.equal(stdoutText, `${folder}\n`);
  assert.equal((await guest.exec(["plain", "x y"], { env })).stdoutText, "plain x y\n");
  const refused = (command: string, options: object, code: string, path: string) => {
    return assert.rejects(guest.exec([command], options), (error) => {
      assert(error instanceof GuestRefusedError);
      assert.deepEqual([error.code, error.path], [code, path]);
      return true;
    });
  };
  await refused("closed", { env }, "EACCES", "closed");
  await refused("hello", {}, "ENOENT", "hello");
  await refused("/no/such/program", {}, "ENOENT", "/no/such/program");
  await refused("true", { cwd: "/no/such/folder" }, "ENOENT", "/no/such/folder");
  await refused("true", { user: "nobody-of-that-name" }, "ENOENT", "nobody-of-that-name");
  await refused(folder, {}, "EACCES", folder);
});

agentTest("what makes no sense is told before the guest is asked", async ({ guest }) => {
  await assert.rejects(guest.exec([]), TypeError);
  await assert.rejects(guest.exec([""]), TypeError);
  await assert.rejects(guest.exec(["a\0b"]), TypeError);
  await assert.rejects(guest.exec(["true"], { env: { "A=B": "" } }), TypeError);
  await assert.rejects(guest.exec(["true"], { tty: { columns: -1, rows: 1 } }), TypeError);
  await assert.rejects(guest.exec(["true", "x".repeat(3 << 20)]), { code: "E2BIG" });
});

agentTest("a command is run as the user that is asked for", async ({ guest }) => {
  const id = async (user: string | number) => {
    return (await guest.exec(["sh", "-c", "id -u; id -g; id -G; echo $HOME"], { user })).stdoutText
      .trim().split("\n");
  };
  assert.deepEqual(await id("daemon"), ["1", "1", "1", "/usr/sbin"]);
  assert.deepEqual(await id(1), ["1", "1", "1", "/usr/sbin"]);
  assert.deepEqual(await id("daemon:root"), ["1", "0", "0", "/usr/sbin"]);
  assert.deepEqual(await id("12345:54321"), ["12345", "54321", "54321", "/"]);
  assert.deepEqual(await id(12345), ["12345", "0", "0", "/"]);
}, isRoot);

agentTest("signals reach the command and what it has started", async ({ guest }) => {
  await using process = await guest.spawn(["sh", "-c", "sleep 1000 & echo $!; wait"]);
  const reader = process.stdout.getReader();
  const child = Number(new TextDecoder().decode((await reader.read()).value));
  assert(isAlive(process.pid) && isAlive(child));
  await process.kill("SIGKILL");
  assert.deepEqual(await process.status, { success: false, code: 137, signal: "SIGKILL" });
  await until(() => !isAlive(child));
  // It has ended, and so there is nobody to be told.
  await process.kill("SIGTERM");
  await assert.rejects(process.kill("SIGNONE" as Deno.Signal), TypeError);
});

agentTest("a signal that the command handles ends in what it does about it", async ({ guest }) => {
  const script = "trap 'echo got; exit 5' USR1; echo up; while :; do sleep 0.01; done";
  await using process = await guest.spawn(["sh", "-c", script]);
  const output = new StreamText(process.stdout);
  await output.expect("up\n");
  await process.kill("SIGUSR1");
  await output.expect("got\n");
  assert.equal((await process.status).code, 5);
});

agentTest("output comes as it is printed, and who does not read holds it up", async ({ guest }) => {
  await using process = await guest.spawn(["sh", "-c", "echo one; read x; echo $x; exec yes"], {
    stdin: "piped",
  });
  const output = new StreamText(process.stdout);
  await output.expect("one\n");
  const input = process.stdin.getWriter();
  await input.write(new TextEncoder().encode("two\n"));
  await output.expect("two\n");
  const written = () => {
    const io = Deno.readTextFileSync(`/proc/${process.pid}/io`);
    return Number(/^wchar: (\d+)$/m.exec(io)![1]);
  };
  // Buffers fill; then nothing moves.
  let before = -1;
  await until(() => {
    const now = written();
    const isStill = now === before && now > 100_000;
    before = now;
    return isStill;
  });
  assert(before < 4 << 20, `${before} bytes were printed that nobody has read`);
  await input.close();
});

agentTest(
  `${COMMANDS_AT_ONCE} commands run at once, each with streams of its own`,
  async ({ guest }) => {
    const results = await Promise.all(
      Array.from({ length: COMMANDS_AT_ONCE }, async (_, i) => {
        const input = randomBytes(100_000 + i);
        const { stdout, stderrText, code } = await guest.exec(
          ["sh", "-c", `cat; echo ${i} >&2; exit ${i}`],
          { stdin: input },
        );
        return Buffer.compare(stdout, input) === 0 && stderrText === `${i}\n` && code === i;
      }),
    );
    assert(results.every(Boolean));
  },
);

agentTest("a command with a timeout or a signal is ended in the guest, too", async ({ guest }) => {
  const marker = `1${Math.floor(Math.random() * 1e8)}`;
  await assert.rejects(guest.exec(["sleep", marker], { timeout: 100 }), GuestTimeoutError);
  await until(() => !isRun(marker));
  const abort = new AbortController();
  const process = await guest.spawn(["sh", "-c", `setsid sleep ${marker} & wait`], {
    signal: abort.signal,
  });
  await until(() => isRun(marker));
  abort.abort(new Error("enough"));
  await assert.rejects(process.status, /enough/);
  await assert.rejects(new Response(process.stdout).text(), /enough/);
  // Also what has left the process group.
  await until(() => !isAlive(process.pid));
  await until(() => !isRun(marker));
  await assert.rejects(guest.exec(["true"], { signal: abort.signal }), /enough/);
});

agentTest("a process that is disposed of is ended", async ({ guest }) => {
  let pid;
  {
    await using process = await guest.spawn(["sleep", "1000"]);
    pid = process.pid;
    assert(isAlive(pid));
  }
  await until(() => !isAlive(pid));
});

agentTest("more output than is wanted is an error, and ends the command", async ({ guest }) => {
  await assert.rejects(guest.exec(["yes"], { maxOutput: 1 << 20 }), GuestError);
});

agentTest("what a command leaves behind lives on, and nothing waits for it", async ({ guest }) => {
  const script = "sleep 1000 > /dev/null 2>&1 & echo $!";
  const { stdoutText } = await guest.exec(["sh", "-c", script]);
  const pid = Number(stdoutText);
  assert(isAlive(pid));
  Deno.kill(pid, "SIGTERM");
  await until(() => !isAlive(pid));
});

agentTest("a terminal has its size, follows it, and hears Ctrl-C and Ctrl-D", async ({ guest }) => {
  await assertTerminal(guest);
  const tty = { columns: 101, rows: 33 };
  // The end of the input is told by the terminal's own character.
  const { stdoutText, code } = await guest.exec(["cat"], { tty, stdin: "line\n" });
  assert.equal(stdoutText, "line\r\nline\r\n");
  assert.equal(code, 0);
  const named = await guest.exec(["sh", "-c", "tty; test -t 0 -a -t 1 -a -t 2"], { tty });
  assert.match(named.stdoutText, /^\/dev\/pts\/\d+\r\n$/);
  assert.equal(named.code, 0);
});

agentTest(
  "writing to a command that reads no more fails, and its end does not",
  async ({ guest }) => {
    await using process = await guest.spawn(["sh", "-c", "exec < /dev/null; echo up; sleep 0.2"], {
      stdin: "piped",
    });
    const writer = process.stdin.getWriter();
    writer.closed.catch(() => {});
    await assert.rejects(async () => {
      for (;;) await writer.write(new Uint8Array(65536));
    }, /reads no more/);
    assert.equal((await process.status).code, 0);
  },
);
