/**
 * A PCI host bridge with one bus: configuration space by ECAM and by the ports of mechanism #1, and a window of
 * addresses that are decoded as the functions' BARs say.
 *
 * Device 0 is the bridge itself; functions follow in their order from device 1 on, one each. The BARs are placed
 * from the start, as by firmware, and decoded when a driver enables them.
 *
 * The port 0xcf9, among those of mechanism #1, is the reset control register of Intel's chipsets: a guest that
 * reboots "by PCI" writes there.
 *
 * State: the ports, where BARs are decoded, and each function's own, all behind one lock, which the bus takes.
 * Control registers are touched seldom: a guest's notifications go by doorbells.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | the configuration address | devices that do not exist read all ones and take nothing |
 * | where BARs are | see bus.ts |
 * | everything behind | the function |
 *
 * Source: PCI Local Bus Specification 3.0, 3.2.2.3; PCI Express Base Specification 5.0, 7.2.2; Intel I/O Controller
 * Hub 9 datasheet, 13.7.5 (RST_CNT).
 *
 * @module
 */
import { type AccessSize, type BusDevice, DeviceLock } from "../../src/bus/mod.ts";
import type {
  AttachContext,
  DeviceModule,
  DeviceRange,
  DeviceSpec,
  MachineRequests,
} from "../device.ts";
import { type DeviceState, StateReader } from "../state.ts";
import { PCI_DEVICES, PciBus } from "./bus.ts";
import { placeBar, restoreConfigSpace } from "./config_space.ts";
import type { MessageRange, PciFunctionSpec } from "./function.ts";
import { pciFunctionModule } from "./functions.ts";
import { allocateHostBridge, hostBridge, hostBridgeConfig } from "./host_bridge.ts";

const KIND = "pci-host";
const VERSION = 1;

/** The most functions behind a bridge. */
export const MAX_PCI_FUNCTIONS: number = PCI_DEVICES - 1;

/** A range of guest physical addresses. */
interface Range {
  readonly base: number;
  readonly size: number;
}

/** What a host bridge is made with. */
export interface PciHostOptions {
  /** Configuration space of bus 0, 1 MiB. */
  readonly ecam: Range;
  /** For BARs, below 4 GiB. */
  readonly window: Range;
  /** Where writes are interrupt messages. */
  readonly messages: MessageRange;
  /** The first of the eight ports of mechanism #1; none when left out. */
  readonly configPort?: number;
  /** In the order of their device numbers: {@linkcode pciDeviceNumber}. */
  readonly functions: readonly PciFunctionSpec[];
}

/** One host bridge with its bus. */
export interface PciHostSpec extends DeviceSpec, PciHostOptions {
  /** {@linkcode StateWord} and, behind, where each device's BAR is decoded. */
  readonly state: SharedArrayBuffer;
  /** The bridge's own configuration space. */
  readonly bridge: SharedArrayBuffer;
}

/** The device number of the function at an index among the bridge's functions. */
export function pciDeviceNumber(index: number): number {
  return index + 1;
}

/** The words of the state. */
const StateWord = { lock: 0, configAddress: 1, resetControl: 2, mapped: 4 } as const;
const STATE_WORDS = StateWord.mapped + PCI_DEVICES;

/** The ports, from the first. */
const Port = { address: 0, resetControl: 1, data: 4 } as const;
const PORTS = 8;
/** CONFIG_ADDRESS: enabled; its bits that can be set (3.2.2.3.2). */
const ADDRESS_ENABLE = 0x8000_0000;
const ADDRESS_BITS = 0x80ff_fffc;
/** RST_CNT: what kind of reset, and its beginning when it goes from 0 to 1. */
const RESET_BITS = 0x0e;
const RESET_CPU = 1 << 2;

/** The PCI host bridge. */
export const pciHost: DeviceModule<PciHostOptions, PciHostSpec> = {
  kind: KIND,

  create(options) {
    if (options.functions.length > MAX_PCI_FUNCTIONS) {
      throw new RangeError(
        `there are ${options.functions.length} devices for the PCI bus, which has room for ${MAX_PCI_FUNCTIONS}`,
      );
    }
    placeBars(options);
    return {
      ...options,
      kind: KIND,
      state: new SharedArrayBuffer(STATE_WORDS * 4),
      bridge: allocateHostBridge(),
    };
  },

  attach(spec, context) {
    const host = new PciHost(spec, context);
    const lock = new DeviceLock(new Int32Array(spec.state), StateWord.lock);
    lock.acquire();
    try {
      host.rewire();
    } finally {
      lock.release();
    }
    return { ranges: host.ranges, lock };
  },

  save({ state, bridge, functions }): DeviceState {
    const words = new Uint32Array(state);
    const saved: Record<string, number | readonly number[]> = {
      configAddress: words[StateWord.configAddress],
      resetControl: words[StateWord.resetControl],
      bridge: hostBridgeConfig(bridge).save(),
    };
    for (const [index, spec] of functions.entries()) {
      Object.assign(saved, pciFunctionModule(spec.kind).save(spec, prefixOf(index)));
    }
    return { ...saved, version: VERSION };
  },

  restore({ state, bridge, functions }, saved) {
    const reader = new StateReader(KIND, VERSION, saved);
    const configAddress = reader.integer("configAddress", 0, 0xffff_ffff);
    const resetControl = reader.integer("resetControl", 0, RESET_BITS);
    const restoreBridge = restoreConfigSpace(KIND, hostBridgeConfig(bridge), reader, "bridge");
    const restores = functions.map((spec, index) =>
      pciFunctionModule(spec.kind).restore(spec, reader, prefixOf(index))
    );
    reader.finish();
    const words = new Uint32Array(state);
    words[StateWord.configAddress] = configAddress & ADDRESS_BITS;
    words[StateWord.resetControl] = resetControl & RESET_BITS;
    // Whoever attaches next puts the BARs and the interrupts in place.
    words.fill(0, StateWord.mapped);
    restoreBridge();
    for (const restore of restores) restore();
  },
};

/** What the saved fields of a function begin with. */
function prefixOf(index: number): string {
  return `device${pciDeviceNumber(index)}.`;
}

/** Gives each function's BAR a place, aligned to its size. */
function placeBars({ functions, window }: PciHostOptions): void {
  let next = window.base;
  for (const { config, barSize } of functions) {
    if (barSize === 0) continue;
    const address = Math.ceil(next / barSize) * barSize;
    next = address + barSize;
    if (next > window.base + window.size) {
      throw new RangeError("the devices' BARs do not fit the PCI window");
    }
    placeBar(config, address);
  }
}

/** The bridge and its bus in one isolate. */
class PciHost {
  readonly ranges: readonly DeviceRange[];
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #bus: PciBus;
  readonly #places: ConstructorParameters<typeof PciBus>[0];
  readonly #requests: MachineRequests;

  constructor(spec: PciHostSpec, context: AttachContext) {
    const { messages, window, ecam, configPort } = spec;
    this.#words = new Uint32Array(spec.state);
    this.#requests = context.requests;
    this.#places = [
      { function: hostBridge(spec.bridge), barSize: 0 },
      ...spec.functions.map((spec) => ({
        function: pciFunctionModule(spec.kind).attach(spec, context, messages),
        barSize: spec.barSize,
      })),
    ];
    const mapped = this.#words.subarray(StateWord.mapped);
    this.#bus = new PciBus(this.#places, window, mapped);
    this.ranges = [
      { space: "mmio", ...ecam, device: this.#ecam() },
      { space: "mmio", ...window, device: this.#window(window.base) },
      ...(configPort === undefined
        ? []
        : [{ space: "pio", base: configPort, size: PORTS, device: this.#ports() } as const]),
    ];
  }

  /** Brings the machine's wiring up to the registers. */
  rewire(): void {
    for (const place of this.#places) place.function.rewire();
    this.#bus.remap();
  }

  /** Bus 0: 4 KiB for each function, eight functions for each device. */
  #ecam(): BusDevice {
    const bus = this.#bus;
    return {
      read: (offset, size) =>
        isFunction0(offset, size) ? bus.readConfig(offset >>> 15, offset & 0xfff, size) : NOTHING,
      write(offset, size, value) {
        if (isFunction0(offset, size)) bus.writeConfig(offset >>> 15, offset & 0xfff, size, value);
      },
    };
  }

  #window(base: number): BusDevice {
    const bus = this.#bus;
    return {
      read: (offset, size) => bus.read(base + offset, size),
      write: (offset, size, value) => bus.write(base + offset, size, value),
    };
  }

  #ports(): BusDevice {
    return {
      read: (port, size) => this.#readPort(port, size),
      write: (port, size, value) => this.#writePort(port, size, value),
    };
  }

  #readPort(port: number, size: AccessSize): number {
    if (port >= Port.data) {
      const address = this.#words[StateWord.configAddress];
      if (!isSelected(address)) return NOTHING;
      return this.#bus.readConfig(deviceIn(address), registerIn(address, port), size);
    }
    // Only whole accesses are the address register's (3.2.2.3.2).
    if (port === Port.address && size === 4) return this.#words[StateWord.configAddress];
    if (port === Port.resetControl && size === 1) return this.#words[StateWord.resetControl];
    return NOTHING;
  }

  #writePort(port: number, size: AccessSize, value: number): void {
    if (port >= Port.data) {
      const address = this.#words[StateWord.configAddress];
      if (!isSelected(address)) return;
      this.#bus.writeConfig(deviceIn(address), registerIn(address, port), size, value);
    } else if (port === Port.address && size === 4) {
      this.#words[StateWord.configAddress] = value & ADDRESS_BITS;
    } else if (port === Port.resetControl && size === 1) this.#writeResetControl(value);
  }

  #writeResetControl(value: number): void {
    const before = this.#words[StateWord.resetControl];
    this.#words[StateWord.resetControl] = value & RESET_BITS;
    if ((value & ~before & RESET_CPU) !== 0) this.#requests.reset("0xcf9");
  }
}

const NOTHING = 0xffff_ffff;

/** Whether an access to the ECAM is one to function 0 of a device, and within its 4 KiB. */
function isFunction0(offset: number, size: number): boolean {
  return (offset & 0x7000) === 0 && (offset & 0xfff) + size <= 0x1000;
}

/** Whether CONFIG_ADDRESS names function 0 of a device of bus 0. */
function isSelected(address: number): boolean {
  return (address & ADDRESS_ENABLE) !== 0 && (address & 0x00ff_0700) === 0;
}

function deviceIn(address: number): number {
  return (address >>> 11) & 0x1f;
}

function registerIn(address: number, port: number): number {
  return (address & 0xfc) + port - Port.data;
}
