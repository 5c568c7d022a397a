/**
 * One vCPU's run loop: enter the guest, see why it came back, answer, enter again.
 *
 * Nothing on the way of a port or memory-mapped access allocates, waits for another isolate or touches a
 * BigInt. Requests from outside are looked at only when KVM_RUN was interrupted: the kick makes sure that
 * it is (see control.ts), so an exit costs no atomic access.
 * @module
 */
import type { Bus } from "../bus/mod.ts";
import { currentThread } from "../ffi/signal.ts";
import {
  exitReasonName,
  KVM_EXIT,
  KVM_EXIT_IO_IN,
  KVM_SYSTEM_EVENT,
} from "../kvm/bindings/exit.ts";
import type { VcpuFd } from "../kvm/vcpu_fd.ts";
import { REQUEST_PAUSE, REQUEST_STOP, type VcpuControl } from "./control.ts";
import type { ExitCounts } from "./exit_counts.ts";
import type { RequestNote } from "./requests.ts";
import type { CrashReport, VcpuStop } from "./stop.ts";

/** What a run loop works with; all of it belongs to the vCPU's own isolate. */
export interface RunLoop {
  readonly vcpu: Pick<VcpuFd, "kvmRun" | "run">;
  /** The port I/O space, where the architecture has one. */
  readonly pio: Bus;
  readonly mmio: Bus;
  readonly control: VcpuControl;
  /** Where the devices on the buses note what the guest asks for. */
  readonly requests: RequestNote;
  readonly exits: ExitCounts;
  /** Called once, before the guest is entered for the first time. */
  entering?(): void;
  /** Tells of an exit that ends the run; `reason` is what is known at once. */
  describe(reason: string): CrashReport;
}

/**
 * Runs a vCPU until the guest ends its machine, can't go on, or a stop is requested.
 *
 * @throws {SysError} when KVM_RUN fails for a reason that is not the guest's
 */
export function runVcpu(loop: RunLoop): VcpuStop {
  loop.control.enterThread(currentThread());
  try {
    return enterUntilStopped(loop);
  } finally {
    loop.control.leave();
  }
}

function enterUntilStopped(loop: RunLoop): VcpuStop {
  const { vcpu, pio, mmio, control, requests, exits } = loop;
  const run = vcpu.kvmRun;
  const bytes = run.bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Imports are read through their module each time they are used: three lines of the caches, which are cold here.
  const { IO, MMIO } = KVM_EXIT;
  const IN = KVM_EXIT_IO_IN;
  if (!obey(control)) return { kind: "stopped" };
  loop.entering?.();
  for (;;) {
    if (vcpu.run() !== 0) {
      // A kick, or a processor that has just been woken. KVM has finished the last access by now.
      run.immediateExit = false;
      if (!obey(control)) return { kind: "stopped" };
      continue;
    }
    const reason = run.exitReason;
    exits.count(reason);
    if (reason === IO) {
      const port = run.ioPort;
      const size = run.ioSize;
      const isRead = run.ioDirection === IN;
      const start = run.ioDataOffset;
      const end = start + size * run.ioCount;
      for (let at = start; at < end; at += size) {
        if (isRead) pio.readInto(port, size, view, at);
        else pio.writeFrom(port, size, view, at);
      }
    } else if (reason === MMIO) {
      const address = run.mmioAddress;
      if (run.mmioIsWrite) mmio.writeFrom(address, run.mmioLength, view, run.mmioDataOffset);
      else mmio.readInto(address, run.mmioLength, view, run.mmioDataOffset);
    } else {
      const stop = serveRareExit(loop, reason);
      if (stop !== undefined) return stop;
    }
    if (requests.request !== undefined) return requests.request;
  }
}

/** Does what is requested from outside. @returns false when the loop has to be left */
function obey(control: VcpuControl): boolean {
  if ((control.requests & REQUEST_PAUSE) !== 0) control.park();
  return (control.requests & REQUEST_STOP) === 0;
}

/** Every exit that is not an access to a device. @returns undefined to go on */
function serveRareExit(loop: RunLoop, reason: number): VcpuStop | undefined {
  const { vcpu, describe } = loop;
  switch (reason) {
    case KVM_EXIT.INTR:
    case KVM_EXIT.IRQ_WINDOW_OPEN:
      return undefined;
    case KVM_EXIT.SHUTDOWN:
      return { kind: "crash", report: describe("triple fault") };
    case KVM_EXIT.HLT:
      return { kind: "crash", report: describe("halted without an interrupt controller") };
    case KVM_EXIT.FAIL_ENTRY:
      return { kind: "crash", report: describe("the processor refused to enter the guest") };
    case KVM_EXIT.INTERNAL_ERROR:
      return { kind: "crash", report: describe("KVM can't run the guest any further") };
    case KVM_EXIT.SYSTEM_EVENT:
      switch (vcpu.kvmRun.systemEventType) {
        case KVM_SYSTEM_EVENT.SHUTDOWN:
          return { kind: "power-off", source: "firmware" };
        case KVM_SYSTEM_EVENT.RESET:
          return { kind: "reset", source: "firmware" };
      }
      return { kind: "crash", report: describe("the guest reported a crash to its firmware") };
    default:
      return {
        kind: "crash",
        report: describe(`an exit that this machine never asks for: ${exitReasonName(reason)}`),
      };
  }
}
