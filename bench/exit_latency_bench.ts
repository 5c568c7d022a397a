/**
 * The latency of a thousand exits of each kind: bare, with nothing between KVM_RUN and the next, and
 * through a machine's run loop with its bus and devices. Divide by a thousand for one.
 *
 * `deno task compare exits` has the distribution of single exits, and a loop in C beside it.
 * @module
 */
import { Bus, PIO_SPACE_SIZE } from "../src/bus/mod.ts";
import { KVM_EXIT, type KvmRunPage } from "../src/kvm/mod.ts";
import { ExitCounts, REQUEST_PAUSE, RequestNote, runVcpu, VcpuControl } from "../src/vcpu/mod.ts";
import { assemble } from "../tests/payloads/assemble.ts";
import { attachDevice } from "../devices/mod.ts";
import { DEVICE, ExitGuest, PAYLOAD_ADDRESS, PORT } from "./exit_guest.ts";

const COUNT = 1000;
const MEMORY = 16 << 20;
const DEBUG_EXIT = 0xf4;
/** The payload's status at the end of each burst. */
const STATUS = 81;

const kinds = {
  "port writes": "PORT_WRITE",
  "port reads": "PORT_READ",
  "MMIO reads": "DEVICE_READ",
  "MMIO writes": "DEVICE_WRITE",
};

/** A guest that does one burst of exits each time it is let run. */
async function burstGuest(kind: string): Promise<ExitGuest> {
  const payload = await assemble("exit_burst", {
    format: "flat",
    address: PAYLOAD_ADDRESS,
    defines: { PORT, DEVICE, COUNT, [kind]: 1 },
  });
  return ExitGuest.create(await Deno.readFile(payload.path), MEMORY);
}

/** Runs one burst and answers nothing: the guest does not look at what it reads. */
function runBare({ vcpu }: ExitGuest): void {
  do {
    if (vcpu.run() !== 0) throw new Error("KVM_RUN was interrupted");
  } while (!endsBurst(vcpu.kvmRun));
}

function endsBurst(run: KvmRunPage): boolean {
  if (run.exitReason === KVM_EXIT.IO) return run.ioPort === DEBUG_EXIT;
  if (run.exitReason === KVM_EXIT.MMIO) return false;
  throw new Error(`unexpected exit ${run.exitReason}`);
}

/** Gives a function that runs one burst through the run loop, as a machine's vCPU does. */
function throughLoop({ vcpu, ram, devices }: ExitGuest): () => void {
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
  return () => {
    requests = new RequestNote();
    const stop = runVcpu({ vcpu, pio, mmio, control, requests, exits, describe });
    if (stop.kind !== "exit" || stop.status !== STATUS) {
      throw new Error(`the guest stopped: ${JSON.stringify(stop)}`);
    }
  };
}

for (const [name, define] of Object.entries(kinds)) {
  const bare = await burstGuest(define);
  const looped = await burstGuest(define);
  const runLoop = throughLoop(looped);
  const group = `${COUNT} ${name}`;
  Deno.bench(`${group}, bare KVM_RUN`, { group, baseline: true }, () => runBare(bare));
  Deno.bench(`${group}, through the run loop`, { group }, runLoop);
}
