/**
 * Where the bus devices of a machine's user are: at the addresses that they name, or at those that the architecture
 * keeps for them. Two devices at one address are refused by name.
 * @module
 */
import { type AnnouncedDevice, architecture } from "../arch/mod.ts";
import { EventFd } from "../ffi/mod.ts";
import type { Vm } from "../kvm/mod.ts";
import type { GuestRam } from "../memory/mod.ts";
import {
  type AttachContext,
  attachDevice,
  type DeviceSpec,
  type PlacedRange,
  type RangeRequest,
  userBus,
} from "../../devices/mod.ts";
import { MMIO_SPACE_SIZE, PIO_SPACE_SIZE } from "../bus/mod.ts";
import { ConfigError } from "./config_error.ts";
import type { BusDeviceInfo, LoadedBusDevice } from "./user_devices.ts";

/** Devices of the user's in their places. */
export interface PlacedUserDevices {
  readonly specs: readonly DeviceSpec[];
  readonly infos: ReadonlyMap<string, BusDeviceInfo>;
  /** Those that want the firmware's tables to tell of them. */
  readonly announced: readonly AnnouncedDevice[];
  /** Where the machine has put those that left it to the machine, a line each. */
  readonly notes: readonly string[];
}

/** A range that somebody has. */
interface Claim extends PlacedRange {
  readonly name: string;
}

/** A device in the middle of being placed. */
interface Placing {
  readonly loaded: LoadedBusDevice;
  readonly requests: readonly RangeRequest[];
  readonly ranges: PlacedRange[];
}

/** The least that memory-mapped registers are apart where the machine chooses: a guest maps each page alone. */
const PAGE = 4096;
/** The most ports in one descriptor (ACPI 6.5, 6.4.2.5). */
const ACPI_PORTS = 255;

/**
 * Gives bus devices their places and their interrupts.
 *
 * @param others the machine's other devices
 * @param takenInterrupts the global system interrupts that those raise
 * @param stack takes over what has to be given back
 * @throws {ConfigError} naming the devices that want the same, or what can't be
 */
export function placeUserDevices(
  vm: Vm,
  devices: readonly LoadedBusDevice[],
  others: readonly DeviceSpec[],
  takenInterrupts: readonly number[],
  ram: GuestRam,
  stack: AsyncDisposableStack,
): PlacedUserDevices {
  const problems: string[] = [];
  const placings = placeRanges(devices, claims(others, ram), problems);
  const interrupts = placeInterrupts(devices, takenInterrupts, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  const infos = new Map<string, BusDeviceInfo>();
  const notes: string[] = [];
  const announced: AnnouncedDevice[] = [];
  const specs = placings.map(({ loaded, requests, ranges }, index) => {
    const { config: { id, url }, device: { definition }, values } = loaded;
    const interrupt = interrupts[index];
    if (definition.interrupt === true || requests.some(({ base }) => base === undefined)) {
      const line = interrupt === undefined ? [] : [`interrupt ${interrupt}`];
      notes.push(`${id}: it is at ${[...ranges.map(shown), ...line].join(", ")}`);
    }
    let irqFd: number | undefined;
    if (interrupt !== undefined) {
      const event = stack.use(new EventFd(`interrupt of ${id}`));
      vm.irqfd(event.raw, interrupt);
      irqFd = event.raw;
    }
    const { state: fields = {}, version = 1, acpiId } = definition;
    if (acpiId !== undefined) announced.push(announce(acpiId, ranges, interrupt));
    const spec = userBus.create({
      ...{ id, module: url, values, ranges, irqFd, fields, version },
    });
    infos.set(id, {
      ...{ id, module: url, ranges, interrupt },
      get state() {
        const { version: _version, ...state } = userBus.save(spec);
        return state;
      },
    });
    return spec;
  });
  return { specs, infos, announced, notes };
}

function announce(
  hardwareId: string,
  ranges: readonly PlacedRange[],
  interrupt: number | undefined,
): AnnouncedDevice {
  const of = (wanted: PlacedRange["space"]) => ranges.filter(({ space }) => space === wanted);
  return { hardwareId, ports: of("pio"), mmio: of("mmio"), interrupt };
}

/** What is taken already: RAM, what KVM answers itself, and the ranges of the machine's own devices. */
function claims(others: readonly DeviceSpec[], ram: GuestRam): Claim[] {
  const memory = ram.slots.map(({ guestAddress, size }) => {
    return { space: "mmio", base: guestAddress, size, name: "RAM" } as const;
  });
  const context: AttachContext = {
    memory: ram.memory,
    irq: () => ({ trigger() {} }),
    requests: { exit() {}, reset() {}, powerOff() {} },
    wiring: { bindDoorbell() {}, unbindDoorbell() {}, routeMsi() {} },
    interrupted: () => false,
  };
  const attached = others.flatMap((spec) =>
    attachDevice(spec, context).ranges.map(({ space, base, size }) => {
      return { space, base, size, name: spec.kind };
    })
  );
  return [...memory, ...architecture.userPlaces.claimed, ...attached];
}

function placeRanges(
  devices: readonly LoadedBusDevice[],
  taken: Claim[],
  problems: string[],
): readonly Placing[] {
  const placings = devices.map((loaded): Placing => {
    try {
      return { loaded, requests: requestsOf(loaded), ranges: [] };
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      problems.push(`${nameOf(loaded)}: ranges: ${text}`);
      return { loaded, requests: [], ranges: [] };
    }
  });
  // Those that name an address come first: what the machine chooses gives way to them.
  for (const isChosen of [true, false]) {
    for (const { loaded, requests, ranges } of placings) {
      for (const [index, { space, size, base }] of requests.entries()) {
        if ((base !== undefined) !== isChosen) continue;
        const range = base === undefined ? freeRange(space, size, taken) : { space, base, size };
        if (range === undefined) {
          problems.push(`${nameOf(loaded)}: there is no room left for ${size} of ${space}`);
          continue;
        }
        const other = taken.find((claim) => overlaps(claim, range));
        if (other !== undefined) {
          problems.push(
            `${nameOf(loaded)}: ${shown(range)} is where ${other.name} is, at ${shown(other)}; ` +
              "name another base, or leave it out",
          );
          continue;
        }
        taken.push({ ...range, name: loaded.config.id });
        ranges[index] = range;
      }
    }
  }
  return placings;
}

/** The ranges that a device wants. @throws what the user's function throws; {TypeError} what can't be */
function requestsOf({ device: { definition }, values }: LoadedBusDevice): readonly RangeRequest[] {
  const { ranges } = definition;
  const requests: unknown = typeof ranges === "function" ? ranges(values) : ranges;
  if (!Array.isArray(requests)) throw new TypeError("it is a list");
  for (const [index, request] of requests.entries()) {
    const { space, base, size } = Object(request) as Partial<RangeRequest>;
    if (space !== "pio" && space !== "mmio") {
      throw new TypeError(`${index}: space: it is "pio" or "mmio"`);
    }
    const end = space === "pio" ? PIO_SPACE_SIZE : MMIO_SPACE_SIZE;
    const isSize = Number.isSafeInteger(size) && Number(size) >= 1;
    const isBase = base === undefined || Number.isSafeInteger(base) && base >= 0;
    if (definition.acpiId !== undefined && space === "pio" && Number(size) > ACPI_PORTS) {
      throw new TypeError(`${index}: ACPI can announce ${ACPI_PORTS} ports at once`);
    }
    if (isSize && isBase && (base ?? 0) + Number(size) <= end) continue;
    throw new TypeError(`${index}: base and size are whole numbers below 0x${end.toString(16)}`);
  }
  return requests as readonly RangeRequest[];
}

/** A place that is free, aligned to its size as a power of two. */
function freeRange(
  space: PlacedRange["space"],
  size: number,
  taken: readonly Claim[],
): PlacedRange | undefined {
  const { ports, mmio } = architecture.userPlaces;
  const window = space === "pio" ? ports : mmio;
  const step = Math.max(2 ** Math.ceil(Math.log2(size)), space === "pio" ? 1 : PAGE);
  for (let base = window.base; base + size <= window.base + window.size; base += step) {
    const range = { space, base, size };
    if (!taken.some((claim) => overlaps(claim, range))) return range;
  }
  return undefined;
}

function placeInterrupts(
  devices: readonly LoadedBusDevice[],
  takenInterrupts: readonly number[],
  problems: string[],
): (number | undefined)[] {
  const owners = new Map(takenInterrupts.map((gsi) => [gsi, "a virtio device"]));
  const { interrupts } = architecture.userPlaces;
  const placed: (number | undefined)[] = [];
  for (const [index, loaded] of devices.entries()) {
    const { interrupt } = loaded.device.definition;
    if (typeof interrupt !== "number") continue;
    const owner = owners.get(interrupt);
    if (owner !== undefined) {
      problems.push(`${nameOf(loaded)}: interrupt ${interrupt} is ${owner}'s; name another`);
    } else if (!interrupts.includes(interrupt)) {
      problems.push(
        `${nameOf(loaded)}: interrupt ${interrupt} is not free; there are ${interrupts.join(", ")}`,
      );
    } else {
      owners.set(interrupt, loaded.config.id);
      placed[index] = interrupt;
    }
  }
  for (const [index, loaded] of devices.entries()) {
    if (loaded.device.definition.interrupt !== true) continue;
    const free = interrupts.find((gsi) => !owners.has(gsi));
    if (free === undefined) problems.push(`${nameOf(loaded)}: there is no interrupt left`);
    else owners.set(free, loaded.config.id);
    placed[index] = free;
  }
  return placed;
}

function nameOf({ config: { place, id, shown } }: LoadedBusDevice): string {
  return `${place}: ${id} (${shown})`;
}

function overlaps(one: PlacedRange, other: PlacedRange): boolean {
  return one.space === other.space && one.base < other.base + other.size &&
    other.base < one.base + one.size;
}

/** A range in words: `ports 0xe00 to 0xe03`. */
function shown({ space, base, size }: PlacedRange): string {
  const [first, last] = [base, base + size - 1].map((address) => `0x${address.toString(16)}`);
  const what = space === "pio" ? "port" : "address";
  return size === 1
    ? `${what} ${first}`
    : `${what}${space === "pio" ? "s" : "es"} ${first} to ${last}`;
}
