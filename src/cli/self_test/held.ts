/**
 * What this process holds of its host, as the kernel tells: for those who look for leaks.
 * @module
 */
import { liveMappings } from "../../ffi/mod.ts";

/** What a machine takes, and what a process must hold no more of when the machine is gone. */
export interface HostResources {
  /** Open descriptors: what each leads to, sorted. */
  readonly fds: readonly string[];
  /** Threads: their names, sorted. A Worker is one. Those of Deno's pool for file operations come and go. */
  readonly threads: readonly string[];
  /** Mappings of guest memory and of vCPUs. */
  readonly mappings: number;
  /** Mappings that src/ffi keeps alive. */
  readonly live: number;
}

/** Looks at this process. @throws {Deno.errors.NotFound} where there is no /proc */
export function hostResources(): HostResources {
  const maps = Deno.readTextFileSync("/proc/self/maps");
  return {
    fds: names("/proc/self/fd", (path) => Deno.readLinkSync(path)),
    threads: names("/proc/self/task", (path) => Deno.readTextFileSync(`${path}/comm`).trim())
      .filter((name) => !name.startsWith("tokio-runtime")),
    mappings: maps.split("\n").filter((line) => /guest-memory|kvm-vcpu/.test(line)).length,
    live: liveMappings(),
  };
}

function names(folder: string, nameOf: (path: string) => string): string[] {
  const found: string[] = [];
  for (const entry of [...Deno.readDirSync(folder)]) {
    try {
      found.push(nameOf(`${folder}/${entry.name}`));
    } catch (error) {
      // The descriptor of the listing itself, and threads that end meanwhile.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found.sort();
}

/** How often a process is looked at that is expected to change, in milliseconds. */
const INTERVAL_MS = 20;

function isSame(a: HostResources, b: HostResources): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/**
 * Waits until nothing has changed for a while: until the Workers of earlier machines are gone.
 *
 * @param resting how long nothing may change, in milliseconds
 * @param patience for how long at most it waits
 */
export async function heldAtRest(resting: number, patience: number): Promise<HostResources> {
  const deadline = performance.now() + patience;
  let last = hostResources();
  let since = performance.now();
  while (performance.now() < Math.min(since + resting, deadline)) {
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    const now = hostResources();
    if (!isSame(now, last)) since = performance.now();
    last = now;
  }
  return last;
}

/** What there is more of than before, each thing in a few words. */
export function heldMore(before: HostResources, after: HostResources): string[] {
  const { mappings, live } = after;
  const more = [
    ...added(before.fds, after.fds).map((fd) => `descriptor of ${fd}`),
    ...added(before.threads, after.threads).map((thread) => `thread ${thread}`),
  ];
  if (mappings > before.mappings) {
    more.push(`${mappings - before.mappings} mappings of guest memory or vCPUs`);
  }
  if (live > before.live) more.push(`${live - before.live} mappings that are kept alive`);
  return more;
}

/** What of `after` is not in `before`, or not so often. */
function added(before: readonly string[], after: readonly string[]): string[] {
  const left = [...after];
  for (const each of before) {
    const at = left.indexOf(each);
    if (at !== -1) left.splice(at, 1);
  }
  return left;
}

/** Waits until the process holds no more than it held, and gives what it holds in the end. */
export async function heldAgain(before: HostResources, patience: number): Promise<HostResources> {
  const deadline = performance.now() + patience;
  for (;;) {
    const now = hostResources();
    if (heldMore(before, now).length === 0 || performance.now() > deadline) return now;
    await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
  }
}
