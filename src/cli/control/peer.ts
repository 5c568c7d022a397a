/**
 * Who may control a machine: its owner and root, whatever has become of the permissions of its socket.
 *
 * Deno does not give the descriptor of a connection, by which the kernel could be asked. The kernel lists the sockets
 * that were accepted at a path, and this process's descriptors, both by inode (proc(5)).
 * @module
 */
import { peerCredentials } from "../../ffi/unix_socket.ts";
import { HostError } from "../errors.ts";

const ROOT = 0;

/** The state of a socket that is connected, in /proc/net/unix. */
const CONNECTED = "03";

/** Those who connect to one listener. */
export class Peers {
  readonly #path: string;
  /** The inodes of the connections that were looked at and are still there. */
  #seen: ReadonlySet<string> = new Set();

  /** @param path where the listener was bound */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Looks at the connection that was accepted just now, before the next one is.
   *
   * @throws {HostError} it is neither root's nor of this process's user
   */
  checkNewest(): void {
    const accepted = acceptedAt(this.#path);
    const open = descriptors(accepted);
    const fresh = [...open].filter(([inode]) => !this.#seen.has(inode));
    this.#seen = new Set(open.keys());
    if (fresh.length === 0) throw new HostError("the kernel does not tell who has connected");
    const owner = Deno.uid();
    for (const [, descriptor] of fresh) {
      const { uid } = peerCredentials(descriptor, "who connects to the control socket");
      if (uid === owner || uid === ROOT) continue;
      throw new HostError(
        `user ${uid} may not control this machine, only user ${owner} and root may`,
      );
    }
  }
}

/** The inodes of the sockets that were accepted at a path, in any process of this network namespace. */
function acceptedAt(path: string): Set<string> {
  const found = new Set<string>();
  for (const line of Deno.readTextFileSync("/proc/net/unix").split("\n")) {
    // Num RefCount Protocol Flags Type St Inode Path
    if (!line.endsWith(` ${path}`)) continue;
    const [, , , , , state, inode] = line.split(/ +/);
    if (state === CONNECTED) found.add(inode);
  }
  return found;
}

/** The descriptors that this process has of sockets, by inode. */
function descriptors(inodes: ReadonlySet<string>): Map<string, number> {
  const found = new Map<string, number>();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const inode = inodeOf(name);
    if (inode !== undefined && inodes.has(inode)) found.set(inode, Number(name));
  }
  return found;
}

/** The inode of a descriptor's socket; undefined where it is none, or is closed by now. */
function inodeOf(descriptor: string): string | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/self/fd/${descriptor}`))?.[1];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
