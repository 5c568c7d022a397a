/**
 * The signal that takes a thread out of KVM_RUN.
 *
 * A thread blocked in a system call sees no message and no Atomics. A signal with a handler interrupts
 * KVM_RUN (which then returns EINTR); the handler itself has nothing to do. JavaScript can't be a signal
 * handler, so the handler is a libc function that is harmless when it is called with a signal number: abs.
 * `SA_RESTART` keeps every other system call of the thread from noticing.
 * @module
 */
import { check, SysError } from "./errno.ts";
import { cString, libc } from "./libc.ts";

/** A real-time signal that neither glibc (32, 33), Deno nor V8 uses. */
export const KICK_SIGNAL = 40;

const SA_RESTART = 0x10000000;
const ESRCH = 3;
// glibc's struct sigaction on x86-64 and aarch64: handler 8, sa_mask 128, sa_flags 4 (+4), restorer 8.
const SIGACTION_SIZE = 152;
const SA_FLAGS_OFFSET = 136;

let installed = false;

/** Installs the handler for the whole process. Without it the signal would end the process. */
function installKickHandler(): void {
  if (installed) return;
  const handler = libc.dlsym(null, cString("abs"));
  if (handler === null) throw new Error("libc has no function abs");
  const action = new DataView(new ArrayBuffer(SIGACTION_SIZE));
  action.setBigUint64(0, Deno.UnsafePointer.value(handler), true);
  action.setInt32(SA_FLAGS_OFFSET, SA_RESTART, true);
  const result = libc.sigaction(KICK_SIGNAL, new Uint8Array(action.buffer), null);
  check(result, "sigaction", "installing the vCPU kick");
  installed = true;
}

/** The calling thread's id, to be given to {@link kickThread}. */
export function currentThread(): number {
  return libc.gettid();
}

const processId = libc.getpid();

/**
 * Sends {@link KICK_SIGNAL} to a thread of this process.
 *
 * @returns false when the thread no longer exists
 * @throws {SysError}
 */
export function kickThread(thread: number): boolean {
  installKickHandler();
  try {
    check(libc.tgkill(processId, thread, KICK_SIGNAL), "tgkill", `kicking thread ${thread}`);
    return true;
  } catch (error) {
    if (error instanceof SysError && error.errno === ESRCH) return false;
    throw error;
  }
}
