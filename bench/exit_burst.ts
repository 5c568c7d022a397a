/**
 * Bursts of exits: a guest that makes a number of them each time it is let run.
 * @module
 */
import { KVM_EXIT, type KvmRunPage } from "../src/kvm/mod.ts";
import { assemble } from "../tests/payloads/assemble.ts";
import { DEVICE, ExitGuest, PAYLOAD_ADDRESS, PORT } from "./exit_guest.ts";
import type { ExitRunLoop } from "./exit_run_loop.ts";

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
export function runBare({ vcpus: [vcpu] }: ExitGuest): void {
  do {
    if (vcpu.run() !== 0) throw new Error("KVM_RUN was interrupted");
  } while (!endsBurst(vcpu.kvmRun));
}

function endsBurst(run: KvmRunPage): boolean {
  if (run.exitReason === KVM_EXIT.IO) return run.ioPort === DEBUG_EXIT;
  if (run.exitReason === KVM_EXIT.MMIO) return false;
  throw new Error(`unexpected exit ${run.exitReason}`);
}

/** Runs one burst through the run loop. */
export function runLooped(loop: ExitRunLoop): void {
  const stop = loop.run();
  if (stop.kind !== "exit" || stop.status !== STATUS) {
    throw new Error(`the guest stopped: ${JSON.stringify(stop)}`);
  }
}
