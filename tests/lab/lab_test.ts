/**
 * Tests of the lab itself. Each boot takes seconds, so that one serves for all that can be asked
 * of a running lab.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { findCommand } from "../../src/rootfs/command.ts";
import { CHECKOUT, LAB_STATUS, LabError, type LabTerminal, runInLab } from "./mod.ts";

/** Without QEMU, or in the lab, where a lab would be emulated twice. */
const ignore = findCommand("qemu-system-x86_64") === undefined ||
  Deno.env.get("DENOVISOR_LAB") !== undefined;

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test({
  name: "a command in the lab",
  ignore,
  fn: async (t) => {
    const scratch = await Deno.makeTempDir({ dir: CHECKOUT, prefix: ".lab-test-" });
    try {
      await Deno.writeTextFile(join(scratch, "from-host"), "host");
      await Deno.writeTextFile(join(scratch, "removed"), "");
      await Deno.mkdir(join(scratch, "renewed"));
      await Deno.writeTextFile(join(scratch, "renewed", "old"), "");
      await Deno.writeTextFile(join(scratch, "becomes-folder"), "");
      const guest = `
        import { Kvm } from "denovisor/kvm";
        using kvm = Kvm.open();
        for (let i = 0; i < 60; i++) {
          using vm = kvm.createVm();
          using vcpu = vm.createVcpu(0);
        }
        console.log(kvm.getApiVersion(), "made");
      `;
      const script = `
        echo "cwd=$PWD"
        echo "argument=$1"
        echo "lab=$DENOVISOR_LAB odd=$ODD"
        test -c /dev/kvm && echo kvm=yes
        echo "from-host=$(cat from-host)"
        echo lab > from-lab
        rm removed becomes-folder
        rm -r renewed
        mkdir renewed becomes-folder
        mv from-host renewed/moved
        echo gone > /usr/from-lab-outside && echo outside=written
        ls --version | head -n 1
        test -c /dev/net/tun && echo tun=yes
        modprobe dummy && test -d /sys/module/dummy && echo module=loaded
        cd /scratch
        dd if=/dev/urandom of=file bs=1M count=8 oflag=direct 2> /dev/null
        echo "blocks=$(stat -c %b file)"
        fallocate --punch-hole --offset 1MiB --length 6MiB file
        sync
        echo "blocks=$(stat -c %b file)"
        dd if=/dev/zero of=full bs=1M 2> /dev/null || echo full=error
        cd "$OLDPWD"
        sleep 1000 &
        # Tasks that are switched between on both CPUs: see hold_kvm.ts.
        yes | cat > /dev/null &
        deno eval "$2"
        echo to-stderr >&2
        exit 42
      `;
      const argument = 'it\'s "odd" $HOME\nand long';
      const { code, stdout, stderr, timing } = await runInLab(
        ["sh", "-c", script, "sh", argument, guest],
        { cwd: scratch, env: { ODD: "a 'b'" }, scratchMiB: 64 },
      );
      const out = text(stdout);
      await t.step("gives its exit status", () => assert.equal(code, 42, text(stderr)));
      await t.step("has its standard error apart from its output", () => {
        assert.match(text(stderr), /^to-stderr\n$/);
        assert.ok(!out.includes("to-stderr"));
      });
      await t.step("runs in the caller's folder with its arguments and environment", () => {
        assert.ok(out.includes(`cwd=${scratch}\n`), out);
        assert.ok(out.includes(`argument=${argument}\n`), out);
        assert.ok(out.includes("lab=1 odd=a 'b'\n"), out);
      });
      await t.step("is the host's program", () => assert.match(out, /GNU coreutils/));
      await t.step("sees the checkout and writes to it", async () => {
        assert.match(out, /^from-host=host$/m);
        assert.equal(await Deno.readTextFile(join(scratch, "from-lab")), "lab\n");
      });
      await t.step("removes, moves and replaces files of the checkout", async () => {
        const names = async (folder: string) =>
          (await Array.fromAsync(Deno.readDir(folder))).map((it) => it.name).sort();
        assert.deepEqual(await names(scratch), ["becomes-folder", "from-lab", "renewed"]);
        assert.deepEqual(await names(join(scratch, "becomes-folder")), []);
        assert.deepEqual(await names(join(scratch, "renewed")), ["moved"]);
        assert.equal(await Deno.readTextFile(join(scratch, "renewed", "moved")), "host");
      });
      await t.step("has a scratch disk with O_DIRECT and holes, and it can be full", () => {
        assert.match(out, /^blocks=16384\nblocks=4096\nfull=error$/m);
      });
      await t.step("loads modules when it needs them, and has taps", () => {
        assert.match(out, /^tun=yes\nmodule=loaded$/m);
      });
      await t.step("writes elsewhere without this machine noticing", async () => {
        assert.match(out, /^outside=written$/m);
        await assert.rejects(Deno.stat("/usr/from-lab-outside"), Deno.errors.NotFound);
      });
      await t.step("has a KVM that makes and ends machines while the lab is busy", () => {
        assert.match(out, /^kvm=yes$/m);
        assert.match(out, /^12 made$/m);
      });
      await t.step("is started after the lab has booted", () => {
        const { prepared, booted, started, ended } = timing;
        assert.ok(prepared < booted && booted < started && started < ended);
      });
    } finally {
      await Deno.remove(scratch, { recursive: true });
    }
  },
});

Deno.test({
  name: "with a live checkout both sides see at once what the other writes",
  ignore,
  fn: async () => {
    const scratch = await Deno.makeTempDir({ dir: CHECKOUT, prefix: ".lab-test-" });
    try {
      const here = join(scratch, "from-host");
      const { code } = await runInLab(
        ["sh", "-c", "echo lab > from-lab; echo; until [ -e from-host ]; do sleep 0.1; done"],
        {
          cwd: scratch,
          live: true,
          stdout: new WritableStream({
            write: async () => {
              assert.equal(await Deno.readTextFile(join(scratch, "from-lab")), "lab\n");
              await Deno.writeTextFile(here, "host");
            },
          }),
        },
      );
      assert.equal(code, 0);
    } finally {
      await Deno.remove(scratch, { recursive: true });
    }
  },
});

Deno.test({
  name: "megabytes of random bytes come back through the lab as they were, in pieces of any size",
  ignore,
  fn: async () => {
    const pieces = [1, 64 * 1024, 17, 3 * 1024 * 1024 + 5, 100].map((size) => {
      const piece = new Uint8Array(size);
      for (let at = 0; at < size; at += 65536) {
        crypto.getRandomValues(piece.subarray(at, at + 65536));
      }
      return piece;
    });
    const got: Uint8Array[] = [];
    const { code, stderr } = await runInLab(["sh", "-c", "tee /dev/stderr"], {
      stdin: ReadableStream.from(pieces),
      stdout: new WritableStream({ write: (chunk) => void got.push(chunk.slice()) }),
    });
    assert.equal(code, 0);
    assert.ok(Buffer.concat(got).equals(Buffer.concat(pieces)), "standard output");
    assert.ok(Buffer.from(stderr).equals(Buffer.concat(pieces)), "standard error");
  },
});

Deno.test({
  name: "a command with a terminal has its size, is told of a new one, and reads what is typed",
  ignore,
  fn: async () => {
    let resize = () => {};
    let size = { rows: 33, columns: 101 };
    const terminal: LabTerminal = {
      size: () => size,
      onResize: (listener) => {
        resize = listener;
        return { [Symbol.dispose]: () => {} };
      },
    };
    const keyboard = new TransformStream<Uint8Array, Uint8Array>();
    const keys = keyboard.writable.getWriter();
    const typeKeys = (line: string) => keys.write(new TextEncoder().encode(line));
    let screen = "";
    const { code } = await runInLab([
      "sh",
      "-c",
      `tty; stty size; read line; echo "line=$line"; trap 'echo interrupted' INT; cat; stty size; exit 5`,
    ], {
      terminal,
      stdin: keyboard.readable,
      stdout: new WritableStream({
        write: async (chunk) => {
          const before = screen;
          screen += text(chunk);
          const came = (part: string) => !before.includes(part) && screen.includes(part);
          if (came("33 101\r\n")) {
            size = { rows: 44, columns: 202 };
            resize();
            await typeKeys("typed\r");
          }
          if (came("line=typed")) setTimeout(() => typeKeys("\x03"), 500);
        },
      }),
    });
    assert.match(screen, /^\/dev\/hvc0\r\n33 101\r\n/);
    assert.match(screen, /line=typed\r\n/);
    assert.match(screen, /interrupted\r\n44 202\r\n$/);
    assert.equal(code, 5);
  },
});

Deno.test({
  name: "a panic of the lab's kernel is an error with the console's last lines",
  ignore,
  fn: async () => {
    await assert.rejects(
      runInLab(["sh", "-c", "echo c > /proc/sysrq-trigger"]),
      (error) => {
        assert.ok(error instanceof LabError);
        assert.equal(error.reason, "died");
        assert.match(error.message, /^the lab's kernel panicked; its last lines were:\n/);
        assert.match(error.output, /sysrq: Trigger a crash/);
        return true;
      },
    );
  },
});

Deno.test({
  name: "a lab that does not boot in time is an error that says so",
  ignore,
  fn: async () => {
    await assert.rejects(runInLab(["true"], { bootTimeout: 100 }), (error) => {
      assert.ok(error instanceof LabError);
      assert.equal(error.reason, "timeout");
      assert.match(error.message, /did not start the command within 0\.1 s/);
      return true;
    });
  },
});

Deno.test({
  name: "aborting ends the lab and gives the reason",
  ignore,
  fn: async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const running = runInLab(["sleep", "1000"], {
      signal: controller.signal,
      onStart: () => controller.abort(reason),
    });
    await assert.rejects(running, reason);
  },
});

/** The program as a process of its own, with a folder of its own for temporary files. */
class LabProcess implements AsyncDisposable {
  readonly temp = Deno.makeTempDirSync();
  readonly child: Deno.ChildProcess;

  constructor(args: string[], stdin: "null" | "piped" = "null") {
    this.child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--quiet", join(import.meta.dirname ?? "", "main.ts"), ...args],
      env: { TMPDIR: this.temp },
      stdin,
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** Waits until it has started QEMU; gives QEMU's process id. */
  async qemu(): Promise<number> {
    while (true) {
      const children = await Deno.readTextFile(
        `/proc/${this.child.pid}/task/${this.child.pid}/children`,
      );
      for (const pid of children.split(" ").filter((it) => it !== "")) {
        if (commandLine(Number(pid)).startsWith("qemu-system")) return Number(pid);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended
    }
    await this.child.status;
    await Promise.all([this.child.stdout, this.child.stderr].map(async (stream) => {
      if (!stream.locked) await stream.cancel();
    }));
    await Deno.remove(this.temp, { recursive: true });
  }
}

/** A process's arguments, or "" when it is gone or a zombie. */
function commandLine(pid: number): string {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/cmdline`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Waits until something is so, for so many milliseconds at most; says whether it is. */
async function within(milliseconds: number, check: () => boolean): Promise<boolean> {
  const end = performance.now() + milliseconds;
  while (!check()) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}

for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGKILL", 137]] as const) {
  Deno.test({
    name: `${signal} leaves no QEMU and no file behind, while it boots`,
    ignore,
    fn: async () => {
      await using lab = new LabProcess(["--", "sleep", "1000"]);
      const qemu = await lab.qemu();
      // The sockets are there until QEMU has connected to them; SIGKILL leaves what is still there.
      const gone = () => [...Deno.readDirSync(lab.temp)].length === 0;
      if (signal === "SIGKILL") assert.ok(await within(10_000, gone), "sockets are removed");
      lab.child.kill(signal);
      assert.equal((await lab.child.status).code, status);
      assert.ok(await within(5000, () => commandLine(qemu) === ""), "QEMU has ended");
      assert.ok(gone());
    },
  });
}

Deno.test({
  name: "SIGTERM leaves no QEMU and no file behind, while the command runs",
  ignore,
  fn: async () => {
    await using lab = new LabProcess(["--", "sh", "-c", "echo started; sleep 1000"]);
    const qemu = await lab.qemu();
    const reader = lab.child.stdout.getReader();
    assert.equal(text((await reader.read()).value ?? new Uint8Array()), "started\n");
    lab.child.kill("SIGTERM");
    assert.equal((await lab.child.status).code, 143);
    await reader.cancel();
    assert.ok(await within(5000, () => commandLine(qemu) === ""), "QEMU has ended");
    assert.deepEqual([...Deno.readDirSync(lab.temp)], []);
  },
});

Deno.test({
  name: "two labs at once each give their own command's status, input and output",
  ignore,
  fn: async () => {
    const results = await Promise.all([3, 4].map(async (status) => {
      await using lab = new LabProcess(
        ["--memory", "1G", "sh", "-c", `cat; exit ${status}`],
        "piped",
      );
      const writer = lab.child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(`input ${status}`));
      await writer.close();
      const { code, stdout, stderr } = await lab.child.output();
      return [code, text(stdout), text(stderr)];
    }));
    assert.deepEqual(results, [[3, "input 3", ""], [4, "input 4", ""]]);
  },
});

Deno.test({
  name: "the program tells a missing command, wrong options and a boot time-out by their statuses",
  ignore,
  fn: async () => {
    const run = async (...args: string[]) => {
      await using lab = new LabProcess(args);
      const { code, stderr } = await lab.child.output();
      return { code, stderr: text(stderr) };
    };
    const missing = await run("--", "no-such-command");
    assert.equal(missing.code, 127);
    assert.equal(missing.stderr, "lab: no-such-command: not found\n");
    for (const args of [[], ["--memory", "lots", "true"], ["--shell"], ["--nonsense"]]) {
      const { code, stderr } = await run(...args);
      assert.equal(code, LAB_STATUS.usage, stderr);
      assert.match(stderr, /^error: /);
    }
    const unknownModule = await run("--module", "no-such-module", "true");
    assert.equal(unknownModule.code, LAB_STATUS.unavailable);
    assert.match(unknownModule.stderr, /no kernel module no_such_module/);
  },
});
