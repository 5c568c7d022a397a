/**
 * Commands in a Linux guest by the command line: `run --rootfs`, `exec`, `stop`.
 * @module
 */
import assert from "node:assert/strict";
import { assertSecondInterruptKills } from "../cli/interrupted.ts";
import { hasTerminal, onTerminal } from "../cli/on_terminal.ts";
import { finish, ON, PROGRAM, spawnDenovisor } from "../cli/process.ts";
import { guestTest } from "./boot.ts";

const noTerminal = !await hasTerminal();

guestTest(
  `exec runs commands in the guest of run --rootfs like a local program${ON}`,
  async (t) => {
    const runtime = await Deno.makeTempDir();
    const env = { XDG_RUNTIME_DIR: runtime };
    const denovisor = (args: readonly string[], input = "") =>
      finish(spawnDenovisor(args, env), input);
    const run = spawnDenovisor(
      "run --rootfs busybox --name box --memory 256M --console none --json".split(" "),
      env,
    );
    const left = finish(run);
    try {
      await t.step("a command that is asked for while the guest boots waits for it", async () => {
        for (let tries = 0;; tries++) {
          const { status, out, err } = await denovisor(["exec", "box", "uname", "-s"]);
          // The machine is not there yet, or is being built.
          if (tries < 100 && (status === 121 || /is starting/.test(err))) {
            await new Promise((resolve) => setTimeout(resolve, 300));
            continue;
          }
          assert.deepEqual([status, out, err], [0, "Linux\n", ""]);
          break;
        }
      });

      await t.step(
        "the status is the command's, and output and error output are apart",
        async () => {
          const script = "echo out; echo err >&2; exit 7";
          const { status, out, err } = await denovisor(["exec", "box", "--", "sh", "-c", script]);
          assert.deepEqual([status, out, err], [7, "out\n", "err\n"]);
        },
      );

      await t.step(
        "what can't be started, and what was killed, have statuses of their own",
        async () => {
          assert.equal((await denovisor(["exec", "box", "no-such-command"])).status, 127);
          assert.equal((await denovisor(["exec", "box", "/etc"])).status, 126);
          const { status, err } = await denovisor(
            ["exec", "--json", "box", "sh", "-c", "kill -KILL $$"],
          );
          assert.equal(status, 137);
          assert.deepEqual(JSON.parse(err), { status: 137, code: null, signal: 9, error: null });
        },
      );

      await t.step("standard input goes through, unchanged, to its end", async () => {
        const bytes = crypto.getRandomValues(new Uint8Array(60_000));
        const child = spawnDenovisor(["exec", "-i", "box", "cat"], env);
        const writer = child.stdin.getWriter();
        const writing = (async () => {
          for (let i = 0; i < 16; i++) await writer.write(bytes);
          await writer.close();
        })();
        const { code, stdout, stderr } = await child.output();
        await writing;
        assert.deepEqual([code, stderr.length], [0, 0]);
        const whole = new Uint8Array(16 * bytes.length);
        for (let i = 0; i < 16; i++) whole.set(bytes, i * bytes.length);
        assert(whole.length === stdout.length && whole.every((byte, i) => byte === stdout[i]));
      });

      await t.step("without -i the command has nothing to read", async () => {
        assert.deepEqual(await denovisor(["exec", "box", "cat"], "not for it"), {
          status: 0,
          out: "",
          err: "",
        });
      });

      await t.step("environment, folder and user are as asked for", async () => {
        const script = 'echo "$A $(pwd) $(id -u)"';
        const { out } = await denovisor(
          ["exec", "-e", "A=b c", "-w", "/proc", "-u", "1000", "box", "sh", "-c", script],
        );
        assert.equal(out, "b c /proc 1000\n");
      });

      await t.step(
        "SIGINT is the command's, and a second one kills it",
        () => assertSecondInterruptKills("box", env),
      );

      await t.step({
        name: "a terminal is the command's, with its size, and is given back",
        ignore: noTerminal,
        fn: async () => {
          const steps = [
            { expect: "# " },
            { raw: true },
            { type: "stty size; tty\r" },
            { expect: "24 80" },
            { expect: "/dev/pts/" },
            { resize: [33, 101] },
            { type: "sleep 1; stty size\r" },
            { expect: "33 101" },
            { expect: "# " },
            { type: "sh -c 'echo begin; exec sleep 1000'\r" },
            { expect: "\nbegin" },
            // Ctrl-C ends the guest's sleep, and not the client.
            { type: "\x03" },
            { expect: "# " },
            { type: "exit 5\r" },
          ] as const;
          const terminal = await onTerminal(
            [...PROGRAM, "exec", "-it", "-e", "PS1=# ", "box", "sh"],
            steps,
            { ...env, PTY_SECONDS: "150" },
          );
          assert.deepEqual([terminal.status, terminal.restored], [5, true], terminal.output);
        },
      });

      await t.step("a paused guest is told, and goes on", async () => {
        assert.equal((await denovisor(["pause", "box"])).status, 0);
        const { status, err } = await denovisor(["exec", "box", "true"]);
        assert.equal(status, 125);
        assert.match(err, /is paused \(denovisor resume box\)/);
        assert.equal((await denovisor(["resume", "box"])).status, 0);
        assert.equal((await denovisor(["exec", "box", "true"])).status, 0);
      });

      await t.step("stop has the guest power itself off", async () => {
        const { status, out } = await denovisor(["stop", "--timeout", "60s", "--json", "box"]);
        assert.equal(status, 0);
        assert.deepEqual(JSON.parse(out), [{ name: "box", error: null, how: "powered-off" }]);
        const { status: code, err } = await left;
        assert.equal(code, 0, err);
        assert.equal(JSON.parse(err.trim().split("\n").at(-1) ?? "").end.kind, "power-off");
        assert.equal((await denovisor(["exec", "box", "true"])).status, 121);
      });
    } finally {
      try {
        run.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await left;
      await Deno.remove(runtime, { recursive: true });
    }
  },
);
