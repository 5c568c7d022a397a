/**
 * Bursts of exits: a guest that makes a number of them each time it is let run.
 * @module
 */
import { attachDevice } from "../devices/mod.ts";
import { Bus, PIO_SPACE_SIZE } from "../src/bus/mod.ts";
import { KVM_EXIT, type KvmRunPage } from "../src/kvm/mod.ts";
import { ExitCounts, REQUEST_PAUSE, RequestNote, runVcpu, VcpuControl } from "../src/vcpu/mod.ts";
import { assemble } from "../tests/payloads/assemble.ts";
import { DEVICE, ExitGuest, PAYLOAD_ADDRESS, PORT } from "./exit_guest.ts";

/** The kinds of bursts, and what tests/payloads/exit_burst.s calls them. */
export const BURSTS = {
  "port writes": "PORT_WRITE",
  "port reads": "PORT_READ",
  "MMIO reads": "DEVICE_READ",
  "MMIO writes": "DEVICE_WRITE",
} as const;

const MEMORY = 16 << 20;
const DEBUG_EXIT = 0xf4;
/** The payload's status at the end of each burst. */
const STATUS = 81;

/** A guest that does `count` exits of one kind each time it is let run. */
export async function burstGuest(kind: keyof typeof BURSTS, count: number): Promise<ExitGuest> {
  const payload = await assemble("exit_burst", {
    format: "flat",
    address: PAYLOAD_ADDRESS,
    defines: { PORT, DEVICE, COUNT: count, [BURSTS[kind]]: 1 },
  });
  return ExitGuest.create(await Deno.readFile(payload.path), MEMORY);
}

/** Runs one burst and answers nothing: the guest does not look at what it reads. */
export function runBare({ vcpu }: ExitGuest): void {
  do {
    if (vcpu.run() !== 0) throw new Error("KVM_RUN was interrupted");
  } while (!endsBurst(vcpu.kvmRun));
}

function endsBurst(run: KvmRunPage): boolean {
  if (run.exitReason === KVM_EXIT.IO) return run.ioPort === DEBUG_EXIT;
  if (run.exitReason === KVM_EXIT.MMIO) return false;
  throw new Error(`unexpected exit ${run.exitReason}`);
}

/** A guest in a machine's run loop, without the Worker. */
export interface LoopedGuest {
  /** Runs one burst. */
  run(): void;
  readonly exits: ExitCounts;
}

/** Puts a guest into the run loop, with its devices on the buses. */
export function inRunLoop({ vcpu, ram, devices }: ExitGuest): LoopedGuest {
  let requests = new RequestNote();
  const context = {
    memory: ram.memory,
    irq: () => ({ trigger() {} }),
    requests: {
      exit: (status: number) => requests.exit(status),
      reset: (source: string) => requests.reset(source),
      powerOff: (source: string) => requests.powerOff(source),
    },
    interrupted: () => false,
  };
  const pio = new Bus("pio", PIO_SPACE_SIZE);
  const mmio = new Bus("mmio");
  for (const spec of devices) {
    const { ranges, lock } = attachDevice(spec, context);
    for (const { space, base, size, device } of ranges) {
      (space === "pio" ? pio : mmio).insert(base, size, device, lock);
    }
  }
  const control = VcpuControl.create();
  control.withdraw(REQUEST_PAUSE);
  const exits = new ExitCounts(ExitCounts.allocate());
  const describe = (reason: string) => ({ reason, vcpu: vcpu.id, details: [] });
  const run = () => {
    requests = new RequestNote();
    const stop = runVcpu({ vcpu, pio, mmio, control, requests, exits, describe });
    if (stop.kind !== "exit" || stop.status !== STATUS) {
      throw new Error(`the guest stopped: ${JSON.stringify(stop)}`);
    }
  };
  return { run, exits };
}
