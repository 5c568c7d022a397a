/**
 * What passes between the main isolate and an I/O Worker.
 *
 * The Worker blocks in one system call while nothing happens, and so sees no messages. What the main isolate wants
 * of a machine's devices comes as lines of JSON in a ring, with an eventfd that wakes the loop; what is answered is
 * posted. Only a job is a message, for it has shared memory in it: a word tells that one was posted.
 * @module
 */
import type { GuestMemorySpec } from "../memory/mod.ts";
import type { RunnerSpec } from "../../devices/virtio/runner.ts";

/** What tells an I/O Worker of messages. */
export interface IoMailbox {
  /** One word: how many jobs were posted. */
  readonly posted: SharedArrayBuffer;
  /** The eventfd that is signalled after it was changed. */
  readonly door: number;
}

/** The devices of one machine, to be served. */
export interface IoJob {
  /** The number of the job, of those that were posted to this mailbox: from 1 on. */
  readonly number: number;
  readonly mailbox: IoMailbox;
  readonly memory: GuestMemorySpec;
  readonly devices: readonly RunnerSpec[];
  /** The URLs of the modules that the user's own devices are written in. */
  readonly userModules: readonly string[];
  /** A ByteRing of {@linkcode IoCommand}s, each a line of JSON. */
  readonly commands: SharedArrayBuffer;
  /** The eventfd that is signalled after a command was written. */
  readonly bell: number;
}

/** A wish of the main isolate's. */
export interface IoCommand {
  /** Tells answers apart. */
  readonly id: number;
  readonly name: "pause" | "resume" | "stop" | "save" | "restore" | "device";
  /** Of `restore` and `device`: which. */
  readonly device?: string;
  /** Of `device`: the command's own name. */
  readonly command?: string;
  readonly argument?: unknown;
}

/** What an I/O Worker posts of one job. */
export type IoMessage =
  /** All devices are open and served. */
  | { readonly kind: "ready" }
  | { readonly kind: "answer"; readonly id: number; readonly result: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly error: string }
  /** A line for whoever runs the machine. */
  | { readonly kind: "log"; readonly line: string }
  /** The Worker's code threw: a host call failed, or there is a bug. */
  | { readonly kind: "failed"; readonly error: string };

/** The same, with the job's number. */
export interface IoLetter {
  readonly job: number;
  readonly message: IoMessage;
}
