/**
 * What this process holds of its host, as the kernel tells: for tests of leaks.
 * @module
 */
import { liveMappings } from "../../src/ffi/mod.ts";

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

/** Looks at this process. */
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
