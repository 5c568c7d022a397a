/**
 * What a process holds of its host and has used of it, as the kernel tells.
 * @module
 */

/** A process at one moment. */
export interface ProcessSample {
  /** MiB of memory that it has mapped and that is there; and the same with each page counted by its share. */
  readonly rss: number;
  readonly pss: number;
  /** Descriptors. */
  readonly fds: number;
  /** Threads, without those of Deno's pool for file operations, which come and go. */
  readonly threads: number;
  /** Seconds of processor time since it began, and what all processes of the host have used since it began. */
  readonly seconds: number;
  readonly hostSeconds: number;
}

/** The clock of /proc's figures: USER_HZ, the same on all of Linux's architectures (proc_pid_stat(5)). */
const TICKS = 100;
const KIB_PER_MIB = 1024;
/** Of proc_pid_stat(5), behind the name in parentheses: utime is field 14 of all, stime is behind it. */
const UTIME = 14 - 3;
/** Of proc_stat(5), the fields of "cpu" that are neither idle nor waiting: user, nice, system, irq, softirq. */
const BUSY: readonly number[] = [0, 1, 2, 5, 6];

/** Looks at a process. @throws {Deno.errors.NotFound} when there's no such process any more */
export function sampleProcess(pid: number): ProcessSample {
  const proc = `/proc/${pid}`;
  const rollup = Deno.readTextFileSync(`${proc}/smaps_rollup`);
  const memory = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(rollup)?.[1]) / KIB_PER_MIB;
  const stat = Deno.readTextFileSync(`${proc}/stat`);
  const [utime, stime] = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(UTIME).map(Number);
  const [cpu] = Deno.readTextFileSync("/proc/stat").split("\n");
  const host = cpu.split(/\s+/).slice(1).map(Number);
  return {
    rss: memory("Rss"),
    pss: memory("Pss"),
    fds: [...Deno.readDirSync(`${proc}/fd`)].length,
    threads: threadNames(proc).filter((name) => !name.startsWith("tokio-runtime")).length,
    seconds: (utime + stime) / TICKS,
    hostSeconds: BUSY.reduce((sum, field) => sum + host[field], 0) / TICKS,
  };
}

function threadNames(proc: string): string[] {
  return [...Deno.readDirSync(`${proc}/task`)].map(({ name }) => {
    try {
      return Deno.readTextFileSync(`${proc}/task/${name}/comm`).trim();
    } catch (error) {
      // One that has ended meanwhile belongs to the pool.
      if (error instanceof Deno.errors.NotFound) return "tokio-runtime";
      throw error;
    }
  });
}
