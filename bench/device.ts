/**
 * A virtio device's core in this isolate, for benches that drive it themselves.
 * @module
 */
import { Metrics } from "../devices/metrics.ts";
import type { DeviceOptions, InputOf } from "../devices/options.ts";
import { readDevice } from "../devices/read_options.ts";
import type { VirtioDevice, VirtioModule } from "../devices/virtio/module.ts";
import { IoLoop } from "../src/ffi/mod.ts";
import type { GuestMemory } from "../src/memory/mod.ts";

/** A device that waits for its start. */
export interface BenchDevice {
  readonly core: VirtioDevice;
  /** The features that it offers. */
  readonly features: bigint;
  /** What it lives in, and nothing else. */
  readonly loop: IoLoop;
}

/**
 * Opens a device. It lasts as long as the process, with all that it has opened on the host.
 *
 * @param input what its user would write
 * @throws what the module throws; a turn of the loop throws what the device fails with or logs
 */
export function openDevice<O extends DeviceOptions, Backend>(
  module: VirtioModule<O, Backend>,
  input: Readonly<Record<string, unknown>>,
  memory: GuestMemory,
): BenchDevice {
  const { values } = readDevice(module.options, input);
  const description = module.create(values as InputOf<O>, {
    id: "bench",
    cpus: 1,
    memorySize: memory.size,
    own: (resource) => resource,
  });
  const failed = (error: unknown) => {
    throw error;
  };
  const loop = new IoLoop();
  const core = module.open(description, {
    id: "bench",
    memory,
    io: loop.scope(failed),
    config: { bytes: description.config, update: () => {} },
    metrics: new Metrics(Metrics.allocate(description.metrics)),
    log: failed,
    fail: failed,
  });
  return { core, features: description.features, loop };
}
