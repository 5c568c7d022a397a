/**
 * What is at the host's end of each port: made in the main isolate, opened in the I/O isolate.
 * @module
 */
import {
  Fd,
  O_APPEND,
  O_CREAT,
  O_NONBLOCK,
  O_WRONLY,
  openPty,
  SysError,
} from "../../../src/ffi/mod.ts";
import { SocketListener } from "../host/socket_listener.ts";
import { type CreateContext, type DeviceContext, DeviceError } from "../module.ts";
import type { OpenBackend } from "./backend.ts";
import { FdBackend } from "./fd_backend.ts";
import { CONSOLE_NAME, type PortOptions } from "./options.ts";
import { createRings, ringBackend, type RingSpec } from "./ring_backend.ts";
import { SocketBackend } from "./socket_backend.ts";

/** What is at a port's host end. Can be structured-cloned. */
export type PortEnd =
  | { readonly kind: "rings"; readonly rings: RingSpec }
  | {
    readonly kind: "fd";
    readonly input: number | undefined;
    readonly output: number;
    readonly bounded?: number;
  }
  | { readonly kind: "socket"; readonly listener: number };

/** What the core is opened with. */
export interface ConsoleBackend {
  readonly ports: readonly {
    readonly number: number;
    readonly name: string;
    readonly end: PortEnd;
  }[];
}

/** POSIX has a pipe take so many bytes whole (PIPE_BUF), and terminals take no fewer. */
const BOUND = 4096;

/** Makes a port's end. @throws {DeviceError} */
export function createEnd(options: PortOptions, context: CreateContext): PortEnd {
  const { name, file, uds, pty, stdio } = options;
  const own = context.own.bind(context);
  if (name === CONSOLE_NAME) return { kind: "rings", rings: createRings(own) };
  const ends = [file, uds, pty, stdio || undefined].filter((end) => end !== undefined);
  if (ends.length !== 1) {
    throw new DeviceError(
      `port ${name}: it has ${ends.length} ends on the host; give it one of file, uds, pty and stdio`,
    );
  }
  if (file !== undefined) {
    return { kind: "fd", input: undefined, output: own(openFile(name, file)).raw };
  }
  if (uds !== undefined) {
    return {
      kind: "socket",
      listener: own(new SocketListener(uds, { owner: `port ${name}` })).raw,
    };
  }
  if (pty !== undefined) {
    const { controller } = own(new LinkedPty(name, pty)).pty;
    return { kind: "fd", input: controller.raw, output: controller.raw };
  }
  return { kind: "fd", input: 0, output: 1, bounded: BOUND };
}

/** Opens a port's end in the I/O isolate. @param resized is told the size of the console's terminal */
export function openBackend(
  end: PortEnd,
  name: string,
  context: DeviceContext,
  resized: (columns: number, rows: number) => void,
): OpenBackend {
  const { io, log } = context;
  switch (end.kind) {
    case "rings":
      return ringBackend(end.rings, io, resized);
    case "socket":
      return (events) => new SocketBackend(end.listener, io, events);
    case "fd":
      return (events) =>
        new FdBackend(end, io, events, (problem) => {
          log(`port ${name}: ${problem}`);
          events.connection(false);
        });
  }
}

function openFile(name: string, path: string): Fd {
  try {
    return Fd.open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, `the file of port ${name}`);
  } catch (cause) {
    if (!(cause instanceof SysError)) throw cause;
    throw new DeviceError(`port ${name}: file: ${path} can't be written: ${cause.message}`, {
      cause,
    });
  }
}

/** A pseudo-terminal, with a symbolic link that leads to it for as long as it's there. */
class LinkedPty implements Disposable {
  readonly pty;

  constructor(name: string, private readonly link: string) {
    this.pty = openPty(`the terminal of port ${name}`);
    try {
      // The link of a machine that was killed leads nowhere, or to another's terminal.
      if (isDanglingLink(link)) Deno.removeSync(link);
      Deno.symlinkSync(this.pty.path, link);
    } catch (cause) {
      this.pty[Symbol.dispose]();
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new DeviceError(`port ${name}: pty: the link ${link} can't be made: ${text}`, {
        cause,
      });
    }
  }

  [Symbol.dispose](): void {
    this.pty[Symbol.dispose]();
    try {
      if (Deno.readLinkSync(this.link) === this.pty.path) Deno.removeSync(this.link);
    } catch (error) {
      // Somebody has removed it, or put something else there.
      if (!(error instanceof Error)) throw error;
    }
  }
}

function isDanglingLink(path: string): boolean {
  try {
    if (!Deno.lstatSync(path).isSymlink) return false;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
  try {
    Deno.statSync(path);
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    throw error;
  }
}
