/**
 * The host bridge as a function of its own bus: 00:00.0, a header without registers behind it.
 *
 * Its ids are those of the generic PCI Express host bridge, which is all that it is: kernels know no quirks of it
 * and bind no driver, where the ids of a chipset promise registers.
 *
 * @module
 */
import { ConfigLayout, ConfigSpace } from "./config_space.ts";
import type { PciFunction } from "./function.ts";

const LAYOUT = new ConfigLayout({
  vendorId: 0x1b36,
  deviceId: 0x0008,
  revision: 0,
  classCode: 0x06_0000,
  subsystemVendorId: 0,
  subsystemId: 0,
});

/** The configuration space of a bridge that was just reset. */
export function allocateHostBridge(): SharedArrayBuffer {
  return ConfigSpace.allocate(LAYOUT);
}

/** The configuration space of a bridge. */
export function hostBridgeConfig(memory: SharedArrayBuffer): ConfigSpace {
  return new ConfigSpace(memory, LAYOUT);
}

/** The bridge's function in one isolate. */
export function hostBridge(memory: SharedArrayBuffer): PciFunction {
  const config = hostBridgeConfig(memory);
  return {
    readConfig: (offset, size) => config.read(offset, size),
    writeConfig: (offset, size, value) => config.write(offset, size, value),
    decodes: -1,
    readBar: () => 0xffff_ffff,
    writeBar: () => {},
    mapped: () => {},
    unmapped: () => {},
    rewire: () => {},
  };
}
