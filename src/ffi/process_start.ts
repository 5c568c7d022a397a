/**
 * When this process began.
 *
 * The kernel tells it in ticks of its clock, 10 ms each. It also tells how long the process's first thread has run and
 * waited for a processor, to the nanosecond: the process is at least that old. A thread that has hardly slept, as one
 * that loads a program, is hardly older. So of the moments within the tick the best guess is the last one that leaves
 * the thread enough time.
 * @module
 */
import { check } from "./errno.ts";
import { libc } from "./libc.ts";

/** include/uapi/linux/time.h */
const CLOCK_BOOTTIME = 7;
/** bits/confname.h of glibc: how many ticks of /proc's figures are a second. */
const SC_CLK_TCK = 2;
/** Of proc_pid_stat(5), behind the name in parentheses: field 22 of all. */
const STARTTIME = 22 - 3;

/** What the kernel tells of a process, in milliseconds. */
export interface ProcessAge {
  /** From the beginning of the tick in which it was started until now. */
  readonly sinceTick: number;
  /** How long a tick is. */
  readonly tick: number;
  /** How long its first thread has run, or waited for a processor. */
  readonly busy: number;
}

/** How long ago the process began, as well as can be known. @returns milliseconds */
export function ageOf({ sinceTick, tick, busy }: ProcessAge): number {
  return Math.min(Math.max(sinceTick - tick, busy), sinceTick);
}

/**
 * When this process began, on the time line of performance.now(), where Deno's own start is 0: a few milliseconds
 * before that, so a negative number. It is off by 10 ms at most.
 *
 * @throws {Deno.errors.NotFound} where /proc is not mounted
 * @throws {SysError}
 */
export function processStart(): number {
  const stat = Deno.readTextFileSync("/proc/self/stat");
  const ticks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[STARTTIME]);
  const [ran, waited] = Deno.readTextFileSync("/proc/self/schedstat").split(" ").map(Number);
  // struct timespec: seconds and nanoseconds.
  const time = new BigInt64Array(2);
  check(libc.clock_gettime(CLOCK_BOOTTIME, time), "clock_gettime", "telling the time");
  const now = performance.now();
  const tick = 1000 / Number(libc.sysconf(SC_CLK_TCK));
  const sinceTick = Number(time[0]) * 1000 + Number(time[1]) / 1e6 - ticks * tick;
  return now - ageOf({ sinceTick, tick, busy: (ran + waited) / 1e6 });
}
