/**
 * What the monitor costs while its guest has nothing to do.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { CAN_MAKE_TAPS, TestTap } from "../../devices/virtio/net/testing/taps.ts";
import { Machine } from "../../mod.ts";
import { guestTest } from "./boot.ts";
import { tell } from "./peer.ts";
import { LINUX, sh } from "./shell.ts";

/** The kernel needs some seconds until it's quiet after its boot. */
const SETTLE_MS = 10_000;
const MEASURE_MS = 10_000;
/** How often the thread of the devices may wake, as a few timers of the guest's may have it. */
const WAKES_PER_SECOND = 3;
/** How often the guest may be left for the monitor's sake. */
const EXITS_PER_SECOND = 1;
/** Ticks of /proc/PID/stat (USER_HZ). */
const TICKS_PER_SECOND = 100;
/** Calls' numbers on x86-64: where the thread of the devices waits, and where a halted vCPU does (KVM_RUN). */
const SYS_IO_URING_ENTER = 426;
const SYS_IOCTL = 16;

for (const transport of ["pci", "mmio"] as const) {
  guestTest(
    `an idle guest with all devices leaves their thread asleep, on ${transport}`,
    async () => {
      const folder = await Deno.makeTempDir();
      try {
        using tap = new TestTap();
        const disk = join(folder, "disk.img");
        await Deno.writeFile(disk, new Uint8Array());
        await Deno.truncate(disk, 64 << 20);
        await using vm = await Machine.start({
          ...LINUX,
          transport,
          disks: [disk],
          nets: [tap.name],
          rng: true,
          balloon: true,
          ports: [{ name: "log", file: join(folder, "port.log") }],
        });
        await sh(
          vm.guest,
          "[ -b /dev/vda ] && [ -c /dev/hwrng ] && [ -d /sys/class/net/eth0 ] && " +
            "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; " +
            `ip addr add ${tap.guestIp}/30 dev eth0 && ip link set eth0 up`,
        );
        const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
        await pause(SETTLE_MS);
        const devices = waitingIn(SYS_IO_URING_ENTER);
        const vcpu = waitingIn(SYS_IOCTL);
        const exitsBefore = exits(vm);
        const before = [devices, vcpu, "self"].map(readUse);
        await pause(MEASURE_MS);
        const after = [devices, vcpu, "self"].map(readUse);
        const left = exits(vm) - exitsBefore;
        const seconds = MEASURE_MS / 1000;
        const wakes = (after[0].switches - before[0].switches) / seconds;
        const [io, cpu, all] = after.map(({ ticks }, i) =>
          (ticks - before[i].ticks) / TICKS_PER_SECOND / seconds
        );
        const percent = (part: number) => `${(part * 100).toFixed(2)} %`;
        tell(
          `${transport}: the devices' thread woke ${
            wakes.toFixed(1)
          } times a second; of a CPU it used ` +
            `${percent(io)}, the vCPU's thread without the guest ${percent(cpu)}, and the whole ` +
            `process without the guest ${percent(all)}; the guest was left ${left} times`,
        );
        assert(wakes <= WAKES_PER_SECOND, `it woke ${wakes} times a second`);
        assert(left / seconds <= EXITS_PER_SECOND, `its guest was left ${left} times`);
        assert(io <= 0.005, `it used ${percent(io)} of a CPU`);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
    CAN_MAKE_TAPS,
  );
}

/** The one thread of this process that waits in a system call. */
function waitingIn(call: number): string {
  const threads = [...Deno.readDirSync("/proc/self/task")].map(({ name }) => name);
  const waiting = threads.filter((thread) =>
    Deno.readTextFileSync(`/proc/self/task/${thread}/syscall`).startsWith(`${call} `)
  );
  assert.equal(waiting.length, 1, `${waiting.length} threads wait in system call ${call}`);
  return waiting[0];
}

/** What a thread, or the whole process (`"self"`), has used: ticks outside guests. */
function readUse(thread: string): { switches: number; ticks: number } {
  const folder = thread === "self" ? "/proc/self" : `/proc/self/task/${thread}`;
  const status = Deno.readTextFileSync(`${folder}/status`);
  const switches = Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)![1]);
  const stat = Deno.readTextFileSync(`${folder}/stat`);
  // proc(5): utime, stime and guest_time are fields 14, 15 and 43; the name, field 2, may have spaces.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  return { switches, ticks: fields[14 - 3] + fields[15 - 3] - fields[43 - 3] };
}

/** How often the guest was left so far. */
function exits(vm: Machine): number {
  const counts = vm.exits.flatMap((byName) => Object.values(byName));
  return counts.reduce((sum, count) => sum + count, 0);
}
