/**
 * A whole Debian 12 on a disk, from the kernel to a login prompt and back to power-off.
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { Machine } from "../../src/machine/mod.ts";
import { runText } from "../../src/rootfs/command.ts";
import { VSOCK_ECHO_PORT } from "../assets/mod.ts";
import { spawnDenovisor } from "../cli/process.ts";
import { guestTest } from "./boot.ts";
import { type DebianHost, Login, withDebian } from "./debian.ts";

/** What has to be up for the system to be of use. */
const UNITS = [
  ...["systemd-udevd", "systemd-journald", "systemd-logind", "systemd-networkd", "dbus"],
  ...["systemd-remount-fs", "systemd-fsck-root", "systemd-random-seed", "vsock-echo.socket"],
  ...["multi-user.target", "network.target", "getty.target"],
];

/** Enough to see that it is read whole, in few of the limits' seconds. */
const DATA_SIZE = 8 << 20;

/** In the lab the service takes some of them to start. */
const ECHO_SECONDS = 60;

/** The data disk's content: no block is like another. */
async function writeData(path: string): Promise<string> {
  const words = Uint32Array.from({ length: DATA_SIZE / 4 }, (_, i) => Math.imul(i, 0x9e3779b1));
  const bytes = new Uint8Array(words.buffer);
  await Deno.writeFile(path, bytes);
  return createHash("sha256").update(bytes).digest("hex");
}

/** Sends a text to the system's echo service through the socket device, and gives what comes back. */
async function vsockEcho(path: string, text: string): Promise<string> {
  const connection = await Deno.connect({ transport: "unix", path });
  await connection.write(new TextEncoder().encode(`CONNECT ${VSOCK_ECHO_PORT}\n${text}`));
  await connection.closeWrite();
  const signal = AbortSignal.timeout(ECHO_SECONDS * 1000);
  let answer = "";
  const sink = new WritableStream<string>({ write: (chunk) => void (answer += chunk) });
  await connection.readable.pipeThrough(new TextDecoderStream()).pipeTo(sink, { signal });
  return answer;
}

interface Expected {
  readonly console: "hvc0" | "ttyS0";
  /** Which drivers the system's devices have, sorted. */
  readonly drivers: readonly string[];
}

/** Looks at a system that has come to its login prompt, then has it power off. */
async function inspect(shell: Login, { console, drivers }: Expected): Promise<void> {
  await shell.login();
  assert.equal(await shell.run("systemctl is-system-running --wait || :"), "running", shell.text);
  assert.equal(await shell.run("systemctl --failed --plain --no-legend --no-pager"), "");
  const units = [...UNITS, `serial-getty@${console}`];
  const states = await shell.run(`systemctl is-active ${units.join(" ")} || :`);
  assert.equal(states, units.map(() => "active").join("\n"), units.join(" "));
  assert.match(await shell.run("cat /proc/mounts"), /^\/dev\/vda \/ ext4 rw,/m);
  const bound =
    "for d in /sys/bus/virtio/devices/*; do basename $(readlink $d/driver); done | sort";
  assert.deepEqual((await shell.run(bound)).split("\n"), drivers);
  assert.equal(await shell.run("tty"), `/dev/${console}`);
  await shell.run("echo kept > /root/kept && sync");
}

async function powerOff(shell: Login): Promise<void> {
  await shell.type("systemctl poweroff\r");
  await shell.ended();
}

/** Looks at the system's disk after its end: its file system is whole, and has what was written. */
async function inspectDisk({ root }: DebianHost): Promise<void> {
  await runText(["e2fsck", "-fn", root]);
  assert.equal(await runText(["debugfs", "-R", "cat /root/kept", root]), "kept\n");
}

guestTest(
  "Debian boots from an MMIO disk to a login on the serial console, with every unit up, and powers off",
  async () => {
    await withDebian(async (host) => {
      const { system, root } = host;
      const log: string[] = [];
      await using machine = await Machine.create({
        kernel: system.kernel.vmlinuz,
        initrd: system.initrd,
        cmdline: "console=ttyS0 panic=-1 quiet",
        transport: "mmio",
        disks: [root],
        rng: true,
        cpus: 2,
      }, { log: (line) => void log.push(line) });
      machine.start();
      const shell = new Login(machine.console.output, (bytes) => machine.console.write(bytes));
      await inspect(shell, { console: "ttyS0", drivers: ["virtio_blk", "virtio_rng"] });
      await powerOff(shell);
      assert.equal((await machine.ended).kind, "power-off", shell.text.slice(-2000));
      assert.deepEqual(log, []);
      await inspectDisk(host);
    });
  },
);

guestTest(
  "Debian runs on PCI devices that a JSON file describes, each with its driver and each at work",
  async () => {
    await withDebian(async (host) => {
      const { system, folder, root } = host;
      const data = join(folder, "data.img");
      const uds = join(folder, "vsock");
      const port = join(folder, "port.log");
      const digest = await writeData(data);
      const config = join(folder, "vm.json");
      await Deno.writeTextFile(
        config,
        JSON.stringify({
          kernel: system.kernel.vmlinuz,
          initrd: system.initrd,
          cpus: 2,
          transport: "pci",
          console: "virtio",
          disks: [{ path: root }, { path: data, ro: true, bandwidth: "50M/s", iops: 1000 }],
          nets: ["tap77"],
          vsock: { cid: 3, uds },
          rng: true,
          balloon: true,
          ports: [{ name: "org.denovisor.log", file: port }],
        }),
      );
      const child = spawnDenovisor([
        ...["run", "--config", config, "--json", "--cmdline", "console=hvc0 panic=-1 quiet"],
      ]);
      const messages = new Response(child.stderr).text();
      const keyboard = child.stdin.getWriter();
      const shell = new Login(child.stdout, (bytes) => keyboard.write(bytes));
      try {
        await inspect(shell, {
          console: "hvc0",
          drivers: [
            ...["virtio_balloon", "virtio_blk", "virtio_blk", "virtio_console", "virtio_console"],
            ...["virtio_net", "virtio_rng", "vmw_vsock_virtio_transport"],
          ],
        });
        assert.equal(await shell.run("cat /sys/block/vdb/ro"), "1");
        assert.match(await shell.run("sha256sum /dev/vdb"), new RegExp(`^${digest} `));
        const hwrng = await shell.run("cat /sys/class/misc/hw_random/rng_current");
        assert.match(hwrng, /^virtio_rng/);
        assert.equal(await shell.run("head -c 1000 /dev/hwrng | wc -c"), "1000");
        assert.match(
          await shell.run("networkctl --no-legend list"),
          / ether +routable +configured/,
        );
        await shell.run("echo through a port > /dev/virtio-ports/org.denovisor.log");
        const said = await vsockEcho(uds, "hello from the host");
        assert.match(said, /^OK \d+\nhello from the host$/);
        await powerOff(shell);
      } catch (error) {
        child.kill("SIGKILL");
        await child.status;
        throw error;
      } finally {
        await keyboard.close().catch(() => {}); // The program, which reads it, may have ended.
      }
      const { code } = await child.status;
      const text = (await messages).trimEnd();
      const report = JSON.parse(text.split("\n").at(-1)!);
      assert.deepEqual([code, report.end.kind], [0, "power-off"], text);
      assert.equal(text.split("\n").length, 1, `it said something: ${text}`);
      assert.equal(await Deno.readTextFile(port), "through a port\n");
      await inspectDisk(host);
    });
  },
);
