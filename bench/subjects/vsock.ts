/**
 * How fast sockets between a guest and its host are, beside a pair of Unix sockets with nothing between.
 *
 * The guest is a program that drives the socket device natively (tests/payloads/native/vsock_speed.c), and counts what
 * it gets done in a time that it takes with the time-stamp counter. At the host's sockets is a program in C
 * (bench/vsock_peer.c). The yardstick is another run of that program which does at the same sockets what the guest
 * does. Both check what they receive, and all bytes that go out must have come.
 * @module
 */
import { join } from "node:path";
import { type Extent, OURS, type Report, type Subject } from "../compare/report.ts";
import { measures, takeTurns } from "../compare/rounds.ts";
import { denovisor, type Guest, guestTscKhz, runGuest, typed } from "../monitors/mod.ts";
import { compilePeer, HostSide, KINDS, pickRates, readRates } from "../vsock_rates.ts";
import { runText } from "../../src/rootfs/command.ts";
import { compile } from "../../tests/payloads/compile.ts";

/** The other side. */
const YARDSTICK = "Unix sockets in C";

/** For a start and an end on a busy host, beside what is measured. */
const PATIENCE_MS = 60_000;

const GOALS = [{ atLeast: 1024 }];

export const vsock: Subject = {
  name: "vsock",
  title: "Sockets between guest and host",
  about: "A stream in each direction and round trips, between a guest that drives the socket " +
    "device natively and a program in C at the host's Unix sockets, beside two programs in C at " +
    "the same sockets.",
  rig: "direct",
  needs: { gcc: "gcc" },
  extent: { seconds: 20, rounds: 5 },
  measure,
};

async function measure(extent: Extent): Promise<Report> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-vsock-" });
  try {
    const peer = await compilePeer(folder);
    const path = join(folder, "vsock");
    await using host = await HostSide.start(peer, path);

    const seconds = extent.seconds / extent.rounds / 2 / KINDS.length;
    const tscKhz = guestTscKhz();
    const guest: Guest = {
      program: await compile("vsock_speed"),
      parameters: { ticks: Math.round(seconds * tscKhz * 1000) },
      devices: { vsock: path },
    };
    const timeoutMs = PATIENCE_MS + 2000 * seconds * KINDS.length;
    const yardstick: [string, ...string[]] = [peer, path, String(Math.round(seconds * 1e9))];
    const rounds = await takeTurns({
      [OURS]: async () => {
        const text = await runGuest(denovisor, guest, timeoutMs);
        await host.expect(text);
        return readRates(text, tscKhz * 1000);
      },
      [YARDSTICK]: async () => {
        const text = await runText(yardstick);
        await host.expect(text);
        return readRates(text, 1e9);
      },
    }, extent);
    return {
      measures: measures(rounds, pickRates(GOALS)),
      commands: {
        [OURS]: typed(denovisor, guest, { [guest.program]: "$GUEST", [path]: "$SOCKET" }),
        [YARDSTICK]: `vsock_peer $SOCKET ${yardstick[2]}`,
      },
      notes: ["QEMU is no peer here: it has sockets by the host's /dev/vhost-vsock alone."],
    };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
