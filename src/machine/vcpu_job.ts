/**
 * What a vCPU's Worker does from its first message to its last.
 * @module
 */
import { attached } from "../arch/attached.ts";
import { Bus, PIO_SPACE_SIZE } from "../bus/mod.ts";
import type { VcpuSpec, VmSpec } from "../kvm/mod.ts";
import { GuestMemory, type GuestMemorySpec } from "../memory/guest_memory.ts";
import {
  ExitCounts,
  RequestNote,
  runVcpu,
  VcpuControl,
  type VcpuControlSpec,
  VcpuMoments,
  type VcpuStop,
} from "../vcpu/mod.ts";
import { attachDevice, deviceModule } from "../../devices/bus_registry.ts";
import type { AttachContext, DeviceSpec, MachineRequests } from "../../devices/device.ts";
import type { UserModules } from "../../devices/user/modules.ts";
import { failureText } from "./failure.ts";
import { irqLine } from "./irq_line.ts";
import { withUserModules } from "./user_modules.ts";
import type { VcpuMessage } from "./vcpu_thread.ts";
import { Wiring, type WiringSpec } from "./wiring.ts";

/** Everything that a vCPU's Worker is posted. */
export interface VcpuJob {
  readonly vcpu: VcpuSpec;
  readonly vm: VmSpec;
  readonly wiring: WiringSpec;
  /** How many vCPUs the machine has, this one among them. */
  readonly vcpuCount: number;
  readonly memory: GuestMemorySpec;
  readonly devices: readonly DeviceSpec[];
  /** The URLs of the modules that the user's own devices are written in. */
  readonly userModules: readonly string[];
  readonly control: VcpuControlSpec;
  /** What {@linkcode ExitCounts.allocate} gave. */
  readonly exits: SharedArrayBuffer;
  /** What {@linkcode VcpuMoments.allocate} gave. */
  readonly moments: SharedArrayBuffer;
}

export { irqLine };

/** What this isolate lends to the machine's devices. */
export function attachContext(
  job: Pick<VcpuJob, "vm" | "wiring">,
  memory: GuestMemory,
  control: VcpuControl,
  requests: MachineRequests,
  userModules?: UserModules,
): AttachContext {
  return {
    memory,
    irq: irqLine,
    requests,
    wiring: new Wiring(attached.attachVm(job.vm), job.wiring),
    interrupted: () => control.requests !== 0,
    userModules,
  };
}

/** The address spaces of one vCPU. */
export interface VcpuBuses {
  readonly pio: Bus;
  readonly mmio: Bus;
}

/**
 * Attaches devices in this isolate and puts them on buses of its own.
 *
 * With one vCPU, only a device whose host's end is used meanwhile has a second user and so needs its lock.
 * The others go without: the Atomics of a lock cost as much as all else that is done for an exit.
 */
export function attachDevices(
  job: Pick<VcpuJob, "devices" | "vcpuCount">,
  context: AttachContext,
): VcpuBuses {
  const pio = new Bus("pio", PIO_SPACE_SIZE);
  const mmio = new Bus("mmio");
  for (const spec of job.devices) {
    const { ranges, lock } = attachDevice(spec, context);
    const isShared = job.vcpuCount > 1 || deviceModule(spec.kind).console !== undefined;
    for (const { space, base, size, device } of ranges) {
      (space === "pio" ? pio : mmio).insert(base, size, device, isShared ? lock : undefined);
    }
  }
  return { pio, mmio };
}

/**
 * Attaches to the machine in this isolate and runs the vCPU to its end.
 *
 * @throws {SysError} when KVM_RUN fails for a reason that is not the guest's
 */
export function runVcpuJob(job: VcpuJob, userModules?: UserModules): VcpuStop {
  const memory = GuestMemory.attach(job.memory);
  const control = VcpuControl.attach(job.control);
  const requests = new RequestNote();
  const vcpu = attached.attachVcpu(job.vcpu);
  const buses = attachDevices(job, attachContext(job, memory, control, requests, userModules));
  const moments = new VcpuMoments(job.moments);
  moments.noteAttached();
  return runVcpu({
    vcpu,
    ...buses,
    control,
    requests,
    exits: new ExitCounts(job.exits),
    entering: () => moments.noteEntered(),
    describe: (reason) => ({
      reason,
      vcpu: vcpu.id,
      details: attached.describeExit(vcpu, memory),
    }),
  });
}

/** Runs a vCPU when the modules that it needs are there, and posts how it ended. */
export function startVcpuJob(job: VcpuJob, post: (message: VcpuMessage) => void): void {
  const failed = (error: unknown) => {
    // One that never came to its run loop is not waited for by who pauses the machine.
    VcpuControl.attach(job.control).leave();
    post({ error: failureText(error) });
  };
  withUserModules(job.userModules, (modules) => {
    try {
      post({ stop: runVcpuJob(job, modules) });
    } catch (error) {
      failed(error);
    }
  }, failed);
}
