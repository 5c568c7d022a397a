/**
 * What a process holds of the host's memory, as the kernel tells of each of its mappings (proc_pid_smaps(5)).
 * @module
 */

/** How monitors call their guests' memory: ours, and QEMU's where it's told to have a name. */
const GUEST_MEMORY = /^\/memfd:(?:guest-memory|memory-backend-memfd)\b/;
/** The line at the head of a mapping: addresses, permissions, offset, device, inode, and a name for most. */
const HEAD = /^[0-9a-f]+-[0-9a-f]+ \S{4} \S+ \S+ \d+\s*(.*)$/;

/** The memory of one process, in MiB. */
export interface ProcessMemory {
  /** Its share of all that is mapped (PSS), but for its guests' memory. */
  readonly own: number;
  /** The part of that which is no file's: only swap could take it. */
  readonly anonymous: number;
  /** Its guests' memory. */
  readonly guests: number;
}

/** Reads the memory of a process. @throws {Error} for a process whose mappings can't be read */
export function readMemory(pid: number): ProcessMemory {
  return parseMemory(Deno.readTextFileSync(`/proc/${pid}/smaps`));
}

/** Adds up the text of an smaps file. @throws {Error} for text that is none */
export function parseMemory(smaps: string): ProcessMemory {
  const KIB = 1024;
  let [own, anonymous, guests] = [0, 0, 0];
  let isGuest: boolean | undefined;
  for (const line of smaps.split("\n")) {
    const head = HEAD.exec(line);
    if (head !== null) {
      isGuest = GUEST_MEMORY.test(head[1]);
      continue;
    }
    const [, key, text] = /^(Pss|Anonymous):\s+(\d+) kB$/.exec(line) ?? [];
    if (key === undefined) continue;
    const mebibytes = Number(text) / KIB;
    if (isGuest) guests += key === "Pss" ? mebibytes : 0;
    else if (key === "Pss") own += mebibytes;
    else anonymous += mebibytes;
  }
  if (isGuest === undefined) throw new Error("this is no text of an smaps file");
  return { own, anonymous, guests };
}
