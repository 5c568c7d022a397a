/**
 * A machine without virtio devices, which needs nothing of what plugs them in.
 * @module
 */
import type { VirtioDevices } from "./virtio_devices.ts";
import { Wiring } from "./wiring.ts";

/** Nothing, plugged in. */
export function noVirtioDevices(): VirtioDevices {
  return {
    specs: [],
    served: [],
    wiring: Wiring.allocate(0, 0, []),
    plugged: { virtioMmio: [], pci: false },
    parameters: "",
    console: undefined,
  };
}
