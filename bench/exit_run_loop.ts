/**
 * The run loop under measurement: put together as in a machine's vCPU Worker (src/machine/vcpu_job.ts),
 * with the devices of every machine on the buses, and a latch among the memory addresses. Where the guest
 * is to interrupt itself, a bell is there too, which signals an irqfd when it is written to.
 * @module
 */
import { architecture } from "../src/arch/mod.ts";
import { signalEventFd } from "../src/ffi/mod.ts";
import { attachContext, attachDevices, type VcpuJob } from "../src/machine/vcpu_job.ts";
import { GuestMemory } from "../src/memory/mod.ts";
import {
  ExitCounts,
  RequestNote,
  type RunLoop,
  runVcpu,
  VcpuControl,
  type VcpuStop,
} from "../src/vcpu/mod.ts";
import { DEVICE } from "./exit_guest.ts";
import { Latch } from "./latch.ts";

/** The byte port of the bell: among those that a machine keeps for its users' devices. */
export const BELL_PORT = 0xe00;

/** Everything that the run loop is made of; it can be posted to a Worker. */
export interface ExitJob extends Omit<VcpuJob, "moments" | "userModules"> {
  /** The latch's state. */
  readonly latch: SharedArrayBuffer;
  /** The irqfd that the bell signals. */
  readonly bell?: number;
}

/** A run loop that can be entered again after its guest has written to the debug exit. */
export class ExitRunLoop {
  readonly #loop: Omit<RunLoop, "requests">;
  #requests = new RequestNote();

  constructor(job: ExitJob) {
    const memory = GuestMemory.attach(job.memory);
    const control = VcpuControl.attach(job.control);
    const vcpu = architecture.attachVcpu(job.vcpu);
    const requests = {
      exit: (status: number) => this.#requests.exit(status),
      reset: (source: string) => this.#requests.reset(source),
      powerOff: (source: string) => this.#requests.powerOff(source),
    };
    const { pio, mmio } = attachDevices(job, attachContext(job, memory, control, requests));
    const latch = new Latch(job.latch);
    // As any device of a machine with one vCPU that the host leaves alone, it goes without a lock.
    mmio.insert(DEVICE, 1, latch, job.vcpuCount > 1 ? latch.lock : undefined);
    const { bell } = job;
    if (bell !== undefined) {
      pio.insert(BELL_PORT, 1, { read: () => 0, write: () => signalEventFd(bell) });
    }
    this.#loop = {
      vcpu,
      pio,
      mmio,
      control,
      exits: new ExitCounts(job.exits),
      describe: (reason) => ({
        reason,
        vcpu: vcpu.id,
        details: architecture.describeExit(vcpu, memory),
      }),
    };
  }

  /** Runs the guest until it asks for an end. */
  run(): VcpuStop {
    this.#requests = new RequestNote();
    return runVcpu({ ...this.#loop, requests: this.#requests });
  }
}
