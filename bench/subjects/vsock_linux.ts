/**
 * How fast sockets between a Linux guest and its host are: a program in C in the guest, and the same program at the
 * host's end, under denovisor and under QEMU, whose sockets are the host's kernel's (vhost-vsock).
 *
 * The guest is Debian's kernel with that program as all it does. Without a monitor between, two of these programs at a
 * pair of Unix sockets are the yardstick.
 * @module
 */
import { join } from "node:path";
import type { Extent, Report, Subject } from "../compare/report.ts";
import { measures, takeTurns } from "../compare/rounds.ts";
import { denovisor, type Guest, type Monitor, qemu, runGuest, typed } from "../monitors/mod.ts";
import { compilePeer, HostSide, KINDS, pickRates, type Rates, readRates } from "../vsock_rates.ts";
import { busyboxAsset } from "../../src/rootfs/busybox.ts";
import { runText } from "../../src/rootfs/command.ts";
import { kernelAsset, vmlinuxAsset } from "../../src/rootfs/kernels.ts";
import { buildInitramfs } from "../../tests/assets/mod.ts";

const YARDSTICK = "Unix sockets in C";
/** The driver, and those of the transports. */
const MODULES = ["virtio_pci", "virtio_mmio", "vmw_vsock_virtio_transport"];
const MEMORY_MIB = 256;
/** In the lab a boot takes up to half a minute. */
const PATIENCE_MS = 180_000;
/** Where a guest reaches its host: port by port of context id 2. */
const HOST = "@2";
/** Any context id: the host's own sockets. */
const ANY = "@-1";
const NANOSECONDS = 1e9;

export const vsockLinux: Subject = {
  name: "vsock-linux",
  title: "Sockets between a Linux guest and its host",
  about: "A stream in each direction and round trips, between a program in C in a guest with " +
    "Debian's kernel and the same program on the host: at Unix sockets with denovisor, at the " +
    "kernel's own (vhost-vsock) with QEMU. A figure without a goal: in the lab all of it is emulated.",
  rig: "lab",
  needs: {
    gcc: "gcc",
    "qemu-system-x86_64": "qemu-system-x86",
  },
  extent: { seconds: 24, rounds: 3 },
  async fetch() {
    await vmlinuxAsset("cloud");
    await busyboxAsset();
  },
  measure,
};

/** A side with a guest, and the program at its host's end. */
interface Side {
  readonly monitor: Monitor;
  readonly guest: Guest;
  readonly host: HostSide;
}

async function measure(extent: Extent): Promise<Report> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-vsock-" });
  try {
    const peer = await compilePeer(folder);
    const path = join(folder, "vsock");
    const seconds = extent.seconds / extent.rounds / 3 / KINDS.length;
    const duration = String(Math.round(seconds * NANOSECONDS));
    const guest = await linuxGuest(peer, duration, path);

    await using stack = new AsyncDisposableStack();
    const host = stack.use(await HostSide.start(peer, path));
    const refusal = qemu.refusal?.(guest);
    const sides: Side[] = [{ monitor: denovisor, guest, host }];
    if (refusal === undefined) {
      sides.push({ monitor: qemu, guest, host: stack.use(await HostSide.start(peer, ANY)) });
    }
    const timeoutMs = PATIENCE_MS + 2000 * seconds * KINDS.length;
    const rounds = await takeTurns<Rates>({
      ...Object.fromEntries(sides.map((side) => [side.monitor.name, () => run(side, timeoutMs)])),
      [YARDSTICK]: async () => {
        const text = await runText([peer, path, duration]);
        await host.expect(text);
        return readRates(text, NANOSECONDS);
      },
    }, extent);
    const names = {
      [guest.program]: "$VMLINUX",
      [guest.linux!.initrd]: "$INITRD",
      [path]: "$SOCKET",
    };
    return {
      measures: measures(rounds, pickRates([])),
      commands: {
        ...Object.fromEntries(
          sides.map(({ monitor }) => [monitor.name, typed(monitor, guest, names)]),
        ),
        [YARDSTICK]: `vsock_peer $SOCKET ${duration}`,
      },
      notes: [
        `The guest runs vsock_peer ${HOST} ${duration}.`,
        ...refusal === undefined ? [] : [`${qemu.name} is left out: ${refusal}.`],
      ],
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A guest that runs the program once, and resets its machine. */
async function linuxGuest(peer: string, duration: string, vsock: string): Promise<Guest> {
  const kernel = await kernelAsset("cloud");
  const vmlinux = await vmlinuxAsset("cloud");
  const initrd = await buildInitramfs({
    kernel,
    modules: MODULES,
    files: [{ path: "bin/vsock_peer", type: "file", mode: 0o755, data: await Deno.readFile(peer) }],
    command: `vsock_peer ${HOST} ${duration}`,
    end: "reboot",
  });
  return {
    program: vmlinux,
    parameters: { loglevel: 4 },
    devices: { vsock },
    linux: { initrd, vmlinux },
    memoryMiB: MEMORY_MIB,
  };
}

async function run({ monitor, guest, host }: Side, timeoutMs: number): Promise<Rates> {
  // A terminal's lines end with a carriage return, too.
  const text = (await runGuest(monitor, guest, timeoutMs)).replaceAll("\r", "");
  try {
    const rates = readRates(text, NANOSECONDS);
    await host.expect(text);
    return rates;
  } catch (error) {
    throw new Error(`${monitor.name}'s guest: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}
