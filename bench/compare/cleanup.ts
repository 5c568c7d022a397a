/**
 * What must not stay behind of a measurement that ends in its middle, by a failure or by Ctrl-C: processes, taps,
 * files.
 * @module
 */
import { basename } from "node:path";
import { tapMaker } from "../../devices/virtio/net/testing/taps.ts";
import { isAbsent } from "../../src/rootfs/command.ts";
import { interruptible } from "../../src/rootfs/interrupt.ts";

/** Where temporary files go (tempfile's and Deno's own order begins with it). */
const TEMPORARY = "TMPDIR";
const PREFIX = "denovisor-compare-";
/** errno(3) */
const ESRCH = 3;
const ENOTEMPTY = 39;

/**
 * Runs something with a temporary folder of its own, and leaves nothing of it behind, however it ends: neither files
 * there, nor processes that it started, nor their taps. SIGINT, SIGTERM and SIGHUP end the process after that.
 *
 * @param body is given what to tell of each process that might end without having cleared up after itself
 */
export async function tidily<T>(body: (started: (pid: number) => void) => Promise<T>): Promise<T> {
  const before = Deno.env.get(TEMPORARY);
  // Who was started with such a folder has it: the paths of sockets in a folder's folder would be too long.
  const inherited = before !== undefined && basename(before).startsWith(PREFIX);
  const folder = inherited ? before : Deno.makeTempDirSync({ prefix: PREFIX });
  Deno.env.set(TEMPORARY, folder);
  const pids = new Set([Deno.pid]);
  try {
    return await interruptible(() => clear(folder, pids), () => body((pid) => pids.add(pid)));
  } finally {
    if (before === undefined) Deno.env.delete(TEMPORARY);
    else Deno.env.set(TEMPORARY, before);
    clear(folder, pids);
  }
}

/** Ends all that was started, and removes what they and we have made. May be called again. */
function clear(folder: string, makers: ReadonlySet<number>): void {
  const ended = new Set([...descendants(Deno.pid), ...orphans(folder)]);
  for (const pid of ended) kill(pid);
  removeTaps(new Set([...makers, ...ended]));
  // One that was just killed may still have written something.
  for (let tries = 0; tries < 10 && !removed(folder); tries++);
}

function removed(folder: string): boolean {
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    if (!isOsError(error, ENOTEMPTY)) throw error;
    return false;
  }
  return true;
}

/** The children of a process, theirs, and so on (proc_pid_task(5)). */
export function descendants(pid: number): number[] {
  const children: number[] = [];
  try {
    for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
      const text = Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`);
      children.push(...text.split(" ").filter((word) => word !== "").map(Number));
    }
  } catch (error) {
    // It has just ended.
    if (!isAbsent(error) && !isGone(error)) throw error;
  }
  return children.flatMap((child) => [child, ...descendants(child)]);
}

/** Processes with that temporary folder: those whose parent has ended are nobody's descendants. */
function orphans(folder: string): number[] {
  const pids = [...Deno.readDirSync("/proc")].map(({ name }) => Number(name));
  return pids.filter((pid) => pid > 0 && pid !== Deno.pid && temporaryFolder(pid) === folder);
}

/** The temporary folder that a process was started with; empty where it has none, or isn't ours to ask. */
function temporaryFolder(pid: number): string {
  try {
    const environment = Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0");
    const name = `${TEMPORARY}=`;
    return environment.find((line) => line.startsWith(name))?.slice(name.length) ?? "";
  } catch (error) {
    if (isAbsent(error) || isGone(error)) return "";
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return isOsError(error, ESRCH);
}

/** Whether an error is that of the operating system; Deno tells the number of some in the message alone. */
function isOsError(error: unknown, number: number): boolean {
  return error instanceof Error && error.message.includes(`(os error ${number})`);
}

function kill(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!isAbsent(error) && !isGone(error)) throw error;
  }
}

function removeTaps(makers: ReadonlySet<number>): void {
  for (const { name } of Deno.readDirSync("/sys/class/net")) {
    const maker = tapMaker(name);
    if (maker === undefined || !makers.has(maker)) continue;
    new Deno.Command("ip", { args: ["link", "del", name], stderr: "null" }).outputSync();
  }
}
