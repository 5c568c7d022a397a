/**
 * The agent in a stock kernel's guest, over its socket device.
 * @module
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { connectVsock, Guest, GuestGoneError } from "../../src/guest/agent/mod.ts";
import { folderImage } from "../../src/rootfs/folder.ts";
import { AgentGuest, busyboxFolder } from "./agent_guest.ts";
import { guestTest } from "./boot.ts";
import { tell } from "./peer.ts";
import { assertTerminal } from "./terminal_command.ts";

const MEBIBYTES = 64;
const COMMANDS = 16;
const SECOND_PORT = 1053;
/** What the kernel needs to panic in the lab; a timeout of ours there is none. */
const AT_ONCE_MS = 20_000;

/** Ends with 1 where no process sleeps. */
const SLEEPERS = "grep -l ^sleep /proc/[0-9]*/cmdline";

guestTest("a guest whose first process is the agent runs commands and has files", async (t) => {
  const began = performance.now();
  await using machine = await AgentGuest.start({
    cpus: 2,
    memory: "768M",
    config: ["# a comment", "hostname tested", "mount scratch /mnt/scratch tmpfs rw size=64m"],
  });
  const { guest } = machine;
  await machine.ready();
  tell(`ready after ${Math.round(performance.now() - began)} ms`);

  await t.step("everything that is usual is mounted", async () => {
    const { stdoutText } = await guest.exec(["sh", "-c", "cat /proc/mounts; uname -r; id -u"]);
    for (const place of ["/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/run", "/tmp"]) {
      assert.match(stdoutText, new RegExp(`^\\S+ ${place} `, "m"));
    }
    assert.match(stdoutText, /^scratch \/mnt\/scratch tmpfs rw,.*size=65536k/m);
    assert.match(stdoutText, /-cloud-amd64\n0\n$/);
    assert.equal((await guest.info()).hostname, "tested");
    assert.match((await guest.exec(["ip", "link", "show", "lo"])).stdoutText, /<LOOPBACK,UP/);
    assert.equal((await guest.exec(["sh", "-c", "echo hi > /dev/stderr"])).stderrText, "hi\n");
  });

  await t.step(`${MEBIBYTES} MiB of random bytes go through a command unchanged`, async () => {
    const input = randomBytes(MEBIBYTES << 20);
    const start = performance.now();
    const { stdout, code } = await guest.exec(["cat"], { stdin: input });
    const seconds = (performance.now() - start) / 1000;
    tell(`${MEBIBYTES} MiB there and back: ${(MEBIBYTES / seconds).toFixed(1)} MiB/s`);
    assert.equal(code, 0);
    assert(Buffer.compare(stdout, input) === 0);
  });

  await t.step(`${COMMANDS} commands run at once`, async () => {
    const results = await Promise.all(Array.from({ length: COMMANDS }, async (_, i) => {
      const input = randomBytes(1 << 20);
      const script = `cat; echo ${i} >&2; exit ${i}`;
      const result = await guest.exec(["sh", "-c", script], { stdin: input });
      return Buffer.compare(result.stdout, input) === 0 && result.stderrText === `${i}\n` &&
        result.code === i;
    }));
    assert(results.every(Boolean));
  });

  await t.step("commands are killed, by signals and by losing the host", async () => {
    await using process = await guest.spawn(["sleep", "1000"]);
    await process.kill("SIGTERM");
    assert.equal((await process.status).signal, "SIGTERM");
    await assert.rejects(guest.exec(["sleep", "1001"], { timeout: 200 }), /not within 200ms/);
    await assert.rejects(guest.exec(["nosuch"]), { code: "ENOENT" });
    for (let i = 0; i < 50; i++) {
      if ((await guest.exec(["sh", "-c", SLEEPERS])).code === 1) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.fail(
      `one lives on:\n${(await guest.exec(["ps", "-o", "pid,ppid,stat,args"])).stdoutText}`,
    );
  });

  await t.step("a terminal has a size, follows it, and hears Ctrl-C", () => assertTerminal(guest));

  await t.step("files and trees go in and come out", async () => {
    const bytes = randomBytes(5_000_000);
    await guest.writeFile("/mnt/scratch/big", bytes, { mode: 0o640 });
    assert(Buffer.compare(await guest.readFile("/mnt/scratch/big"), bytes) === 0);
    const folder = await Deno.makeTempDir();
    try {
      await busyboxFolder(join(folder, "from"));
      const sent = await guest.copyIn(join(folder, "from"), "/mnt/scratch/tree");
      assert(sent.links > 100 && sent.files >= 3);
      const received = await guest.copyOut("/mnt/scratch/tree", join(folder, "to"));
      assert.deepEqual(received, sent);
      const { code, stdout } = await new Deno.Command("diff", {
        args: ["-r", "--no-dereference", join(folder, "from"), join(folder, "to")],
      }).output();
      assert.equal(code, 0, new TextDecoder().decode(stdout));
      await guest.remove("/mnt/scratch/tree", { recursive: true });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  await t.step(
    "a second agent, started as a program, serves another port, and ends nothing",
    async () => {
      await using _ = await guest.spawn(["/init", "--listen", `vsock:${SECOND_PORT}`]);
      const connect = () => connectVsock(machine.uds, SECOND_PORT);
      const second = new Guest({ connect, ended: new Promise<Error>(() => {}) });
      await assert.rejects(
        connectVsock(machine.uds, SECOND_PORT + 1),
        Deno.errors.ConnectionRefused,
      );
      for (let i = 0;; i++) {
        try {
          assert.equal((await second.exec(["cat"], { stdin: "second" })).stdoutText, "second");
          break;
        } catch (error) {
          // It may not listen yet.
          if (!(error instanceof GuestGoneError) || i === 100) throw error;
        }
      }
      await assert.rejects(second.poweroff(), { code: "EPERM" });
      await assert.rejects(second.reboot(), { code: "EPERM" });
    },
  );

  await t.step("what waits for a guest that dies fails at once, with the reason", async () => {
    const waiting = [guest.exec(["sleep", "1000"]), guest.exec(["cat", "/dev/zero"])];
    for (const promise of waiting) promise.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 200));
    const start = performance.now();
    guest.writeFile("/proc/sysrq-trigger", "c").catch(() => {});
    for (const promise of waiting) {
      await assert.rejects(promise, (error) => {
        assert(error instanceof GuestGoneError);
        assert.match(error.message, /^the guest is gone: panic/);
        return true;
      });
    }
    tell(`its death was told after ${Math.round(performance.now() - start)} ms`);
    assert(performance.now() - start < AT_ONCE_MS);
  });
});

guestTest(
  "a guest changes to the root on a disk, with memory over it, and powers off",
  async () => {
    const folder = await Deno.makeTempDir();
    try {
      await busyboxFolder(join(folder, "root"));
      const image = await folderImage(join(folder, "root"));
      await using machine = await AgentGuest.start({
        modules: ["virtio_blk", "ext4", "overlay"],
        disks: [{ path: image, ro: true, serial: "root" }],
        config: ["root serial=root ext4 ro", "overlay"],
      });
      const { guest } = machine;
      await machine.ready();
      const { stdoutText } = await guest.exec([
        "sh",
        "-c",
        "cat /etc/marker; cat /proc/mounts; ls /",
      ]);
      assert.match(stdoutText, /^on the disk\n/);
      assert.match(stdoutText, /^overlay \/ overlay rw,/m);
      assert.match(stdoutText, /^\S+ \/dev\/pts devpts /m);
      assert.doesNotMatch(stdoutText, /^\/dev\/vda/m);
      // Nothing is left of the initramfs.
      assert.deepEqual((await guest.readDir("/")).map(({ name }) => name).filter(isNotUsual), []);
      await guest.writeFile("/etc/marker", "changed");
      assert.equal((await guest.exec(["cat", "/etc/marker"])).stdoutText, "changed");
      await guest.poweroff();
      assert.equal((await machine.ended()).kind, "power-off");
      await assert.rejects(guest.exec(["true"]), /the guest is gone: power-off/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

/** Names in `/` that neither a busybox folder nor the agent has made. */
function isNotUsual(name: string): boolean {
  const usual = ["bin", "dev", "etc", "lost+found", "proc", "run", "sbin", "sys", "tmp"];
  return !usual.includes(name);
}

guestTest("a guest's own init runs beside the agent, on a disk that it writes to", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await busyboxFolder(join(folder, "root"));
    const disk = join(folder, "disk");
    await Deno.copyFile(await folderImage(join(folder, "root")), disk);
    const options = {
      transport: "mmio",
      modules: ["virtio_blk", "ext4"],
      disks: [{ path: disk, serial: "root" }],
      config: ["root serial=root ext4 rw", "init /sbin/init"],
    } as const;
    {
      await using machine = await AgentGuest.start({ ...options, disks: [...options.disks] });
      const { guest } = machine;
      await machine.ready();
      const first = await guest.readTextFile("/proc/1/cmdline");
      assert.match(first, /init/);
      assert.match((await guest.readTextFile("/proc/1/status")).slice(0, 40), /^Name:\s+init$/m);
      await guest.writeFile("/kept", "written");
      await guest.reboot();
      assert.equal((await machine.ended()).kind, "reset");
    }
    await using again = await AgentGuest.start({ ...options, disks: [...options.disks] });
    await again.ready();
    assert.equal(await again.guest.readTextFile("/kept"), "written");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const TROUBLE:
  readonly (readonly [what: string, config: string[], modules: string, says: RegExp])[] = [
    [
      "a disk that is not there",
      ["root /dev/sda ext4 ro"],
      "",
      /can't find the disk \/dev\/sda: ENODEV/,
    ],
    [
      "a line that makes no sense",
      ["hostname x", "roof x"],
      "",
      /line 2 of \/lib\/denovisor\/config: it is not understood/,
    ],
    [
      "a module that lacks",
      [],
      "/lib/none.ko\n",
      /can't open the kernel module \/lib\/none.ko: ENOENT/,
    ],
    [
      "an init that lacks",
      ["init /sbin/none"],
      "",
      /can't run the guest's own init \/sbin\/none: ENOENT/,
    ],
  ];

guestTest("a guest that can't be set up says why on its console, and powers off", async (t) => {
  for (const [what, config, moreModules, says] of TROUBLE) {
    await t.step(what, async () => {
      await using machine = await AgentGuest.start({ config, moreModules });
      const end = await machine.ended();
      const output = await machine.output;
      assert.equal(end.kind, "power-off", output);
      assert.match(output, says);
      assert.match(output, /the guest can't be used and powers off/);
      if (what !== "an init that lacks") {
        await assert.rejects(machine.guest.exec(["true"]), /the guest is gone: power-off/);
      }
    });
  }
});
