/**
 * `run --rootfs`: Linux with a root file system, and the way to the agent in it.
 * @module
 */
import { prepare, type StartConfig } from "../../vm/config.ts";
import { type StatusError, UsageError } from "../errors.ts";
import { ENDING_SIGNALS, type EndingSignal, signalStatus } from "../exit_status.ts";
import type { System } from "../system.ts";
import type { Asked } from "./configuration.ts";
import { VsockAgent } from "./guest_agent.ts";
import type { GuestAgent } from "./named.ts";

/** What a machine with a root file system is made of, until it is disposed of. */
export interface Rootfs extends AsyncDisposable {
  /** What was asked for, with what the guest boots from. */
  readonly asked: Asked;
  readonly agent: GuestAgent | undefined;
}

/** A signal came while something was fetched or built. */
class InterruptedError extends Error implements StatusError {
  override readonly name = "InterruptedError";
  readonly exitStatus: number;

  constructor(signal: EndingSignal) {
    super(`ended by ${signal}`);
    this.exitStatus = signalStatus(signal);
  }
}

/** The root that is called by a name; a file or folder of that name is `./busybox`. */
const BUSYBOX = "busybox";

/** What comes with a root file system, and can't be given beside it. */
const BROUGHT = ["initrd", "modules", "protocol", "flat"] as const;

/**
 * Finds, fetches or builds what the guest boots from.
 *
 * @throws {UsageError} for options that mean nothing together
 * @throws {RootfsError} for what can't be had
 */
export async function prepareRootfs(
  { fields, places }: Asked,
  rootfs: string,
  system: System,
): Promise<Rootfs> {
  const problems = BROUGHT.filter((field) => fields[field] !== undefined)
    .map((field) => `${places.name(field)}: it has no meaning with --rootfs, which brings its own`);
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  const source: StartConfig["rootfs"] = rootfs === BUSYBOX ? { busybox: true } : rootfs;
  const interrupted = new AbortController();
  using _signals = onEnding(system, (signal) => interrupted.abort(new InterruptedError(signal)));
  await using stack = new AsyncDisposableStack();
  try {
    const prepared = stack.use(
      await prepare({ ...fields, rootfs: source }, { signal: interrupted.signal }),
    );
    const agent = prepared.agent === undefined
      ? undefined
      : stack.use(new VsockAgent(prepared.agent));
    const all = stack.move();
    return {
      asked: { fields: { ...prepared.config }, places },
      agent,
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    };
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message, { cause: error });
    throw error;
  }
}

function onEnding(system: System, handler: (signal: EndingSignal) => void): Disposable {
  const listeners = new DisposableStack();
  for (const signal of Object.keys(ENDING_SIGNALS) as EndingSignal[]) {
    listeners.use(system.onSignal(signal, () => handler(signal)));
  }
  return listeners;
}
