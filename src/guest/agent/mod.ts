/**
 * Commands and files in a running guest, through the agent that the project puts into it.
 *
 * ```ts ignore
 * import { Guest, VsockTransport } from "./mod.ts";
 *
 * using transport = new VsockTransport("/run/guest.sock", ended);
 * const guest = new Guest(transport);
 * const { code, stdoutText } = await guest.exec(["uname", "-r"]);
 * await guest.writeFile("/etc/motd", "hello\n");
 *
 * await using process = await guest.spawn(["cat"], { stdin: "piped" });
 * await ReadableStream.from([new Uint8Array(10)]).pipeTo(process.stdin);
 * ```
 *
 * The agent is one static program (the asset `agent`): a guest's first process, which mounts what is usual, loads
 * modules and changes to the root that it's told of, or a program that the guest's own init starts. Each request is
 * served by a process of its own in the guest, over connections of its own, one for each stream.
 *
 * Everything that the guest sends is bounded and checked: a hostile one can refuse, lie about its own files, and fill
 * what it's given room for, and nothing else.
 * @module
 */
export type { Duration } from "../duration.ts";
export type { CallOptions } from "./call.ts";
export type { CommandOptions, SpawnOptions, Stdio, TerminalSize } from "./command.ts";
export type { CopyInOptions, CopyResult, SkippedFile } from "./copy_in.ts";
export type { CopyOutOptions } from "./copy_out.ts";
export * from "./errors.ts";
export { type ExecOptions, ExecResult } from "./exec.ts";
export type { FileKind, GuestDirEntry, GuestFileInfo, ReadOptions, WriteOptions } from "./files.ts";
export { Guest, type GuestInfo, type MakeDirOptions, type RemoveOptions } from "./guest.ts";
export { GuestProcess, type GuestStatus } from "./process.ts";
export { AGENT_PORT, ProtocolError } from "./protocol.ts";
export type { AgentConnection, AgentTransport } from "./transport.ts";
export {
  connectVsock,
  listenForReady,
  ReadyListener,
  VsockConnection,
  VsockTransport,
} from "./vsock.ts";
