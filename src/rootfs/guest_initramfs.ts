/**
 * The initramfs that starts a guest: the agent as its first process, what the agent is to do, and the
 * modules it loads. With a root disk that is all; without, the guest's own files are in it too.
 *
 * The agent's files are described in tests/payloads/agent/config.h.
 *
 * @module
 */

import { dirname, join } from "node:path/posix";
import type { CpioEntry } from "../../loader/cpio.ts";
import { readAsset } from "../parts/mod.ts";
import { RootfsError } from "./errors.ts";
import type { KernelModule } from "./modules.ts";

/** What the agent's configuration says. */
export interface AgentConfig {
  /** The root, by the serial number of its disk; without it the initramfs stays the root. */
  readonly root?: { readonly serial: string; readonly type: "ext4"; readonly access: "ro" | "rw" };
  /** Whether memory is laid over the root, which then is only read. */
  readonly overlay: boolean;
  readonly hostname: string;
}

/** The text of /lib/denovisor/config. */
export function configText({ root, overlay, hostname }: AgentConfig): string {
  const lines = [
    ...(root === undefined ? [] : [`root serial=${root.serial} ${root.type} ${root.access}`]),
    ...(overlay ? ["overlay"] : []),
    `hostname ${hostname}`,
  ];
  return lines.join("\n") + "\n";
}

const FOLDER = "lib/denovisor";

/**
 * The files of a guest's initramfs.
 *
 * @param files the guest's own; a later one outranks an earlier one of the same path.
 * @throws {RootfsError} for a file where one of ours has to be.
 */
export function guestInitramfs(
  config: AgentConfig,
  modules: readonly KernelModule[],
  files: readonly CpioEntry[] = [],
): CpioEntry[] {
  const merged = new Map<string, CpioEntry>();
  for (const entry of files) merged.set(entry.path.replace(/^\//, ""), entry);
  const list = modules.map(({ name }) => `/${FOLDER}/modules.d/${name}.ko\n`).join("");
  const own: CpioEntry[] = [
    { path: "init", type: "file", mode: 0o755, data: readAsset("agent") },
    { path: `${FOLDER}/config`, type: "file", data: configText(config) },
    { path: `${FOLDER}/modules`, type: "file", data: list },
    ...modules.map(({ name, data }): CpioEntry => {
      return { path: `${FOLDER}/modules.d/${name}.ko`, type: "file", data };
    }),
  ];
  for (const entry of own) {
    const path = throughLinks(entry.path, merged);
    if (merged.has(path)) {
      throw new RootfsError(`/${path} is the agent's own in an initramfs; call yours otherwise`);
    }
    merged.set(path, { ...entry, path });
  }
  // The kernel opens it for the first process before that could mount devtmpfs.
  const console: CpioEntry = { path: "dev/console", type: "character-device", major: 5, minor: 1 };
  if (!merged.has(console.path) && (merged.get("dev")?.type ?? "directory") === "directory") {
    merged.set(console.path, console);
  }
  return [...merged.values()];
}

/** How many links may follow one another: the kernel's own limit (path_resolution(7)). */
const MAX_LINKS = 40;

/** The path that a file gets where a folder above it is a link, as /lib is one to usr/lib on many systems. */
function throughLinks(path: string, entries: ReadonlyMap<string, CpioEntry>): string {
  for (let links = 0; links < MAX_LINKS; links++) {
    const parts = path.split("/");
    const link = parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join("/"))
      .map((prefix) => ({ prefix, entry: entries.get(prefix) }))
      .find(({ entry }) => entry?.type === "symlink");
    if (link?.entry?.type !== "symlink") return path;
    const rest = path.slice(link.prefix.length + 1);
    const target = join("/", dirname(link.prefix), link.entry.target, rest);
    path = (link.entry.target.startsWith("/") ? join(link.entry.target, rest) : target)
      .replace(/^\/+/, "");
  }
  throw new RootfsError(`/${path}: there are too many links to where it is to be`);
}
