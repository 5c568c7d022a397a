/**
 * What must not stay behind of a measurement that ends in its middle, by a failure or by Ctrl-C: processes, taps,
 * files.
 * @module
 */
import { tapMaker } from "../../devices/virtio/net/testing/taps.ts";
import { isAbsent } from "../../src/rootfs/command.ts";
import { interruptible } from "../../src/rootfs/interrupt.ts";

/** Where temporary files go (tempfile's and Deno's own order begins with it). */
const TEMPORARY = "TMPDIR";

/**
 * Runs something with a temporary folder of its own, and leaves nothing of it behind, however it ends: neither files
 * there, nor processes that it started, nor their taps. SIGINT, SIGTERM and SIGHUP end the process after that.
 */
export async function tidily<T>(body: () => Promise<T>): Promise<T> {
  const folder = Deno.makeTempDirSync({ prefix: "denovisor-compare-" });
  const before = Deno.env.get(TEMPORARY);
  Deno.env.set(TEMPORARY, folder);
  try {
    return await interruptible(() => clear(folder), body);
  } finally {
    if (before === undefined) Deno.env.delete(TEMPORARY);
    else Deno.env.set(TEMPORARY, before);
    clear(folder);
  }
}

/** Ends all that this process has started, and removes what they and we have made. May be called again. */
function clear(folder: string): void {
  const ended = descendants(Deno.pid);
  for (const pid of ended) kill(pid);
  removeTaps(new Set([Deno.pid, ...ended]));
  // One that was just killed may still have written something.
  for (let tries = 0; tries < 10 && !removed(folder); tries++);
}

function removed(folder: string): boolean {
  try {
    Deno.removeSync(folder, { recursive: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    // ENOTEMPTY
    if (!(error instanceof Error && "code" in error && error.code === "ENOTEMPTY")) throw error;
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

function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ESRCH";
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
