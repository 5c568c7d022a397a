/**
 * The PCI host bridge as AML describes it: one bus, its windows, and where interrupt pins lead.
 *
 * Source: ACPI Specification 6.5, 6.2.13 (`_PRT`) and 6.2.11 (`_OSC`); PCI Firmware Specification 3.2, 4.1.2 (the
 * ECAM is claimed by a node of its own) and 4.5.
 *
 * @module
 */
import { concat } from "../bytes.ts";
import {
  type Aml,
  argument,
  device,
  eisaId,
  integer,
  method,
  name,
  pkg,
  returnValue,
} from "./aml.ts";
import type { ResourceRange } from "./device.ts";
import { BUS_SIZE } from "./mcfg.ts";
import {
  dwordMemory,
  ioPorts,
  memory32Fixed,
  resourceTemplate,
  wordBusNumber,
  wordIo,
} from "./resources.ts";

/** What the tables say of a host bridge. */
export interface PciHostBridge {
  readonly ecam: ResourceRange;
  /** For BARs, below 4 GiB. */
  readonly window: ResourceRange;
  /** The first of the ports of configuration mechanism #1, of which there are eight. */
  readonly configPort: number;
  /** The GSI that INTA# of a device leads to. */
  pinGsi(device: number): number;
}

const CONFIG_PORTS = 8;
const PORTS = 0x1_0000;
const DEVICES = 32;
const INTA = 0;

/** The node of the bridge, and one that keeps its configuration space from other uses. */
export function pciHostBridge({ ecam, window, configPort, pinGsi }: PciHostBridge): Aml {
  const behind = configPort + CONFIG_PORTS;
  const crs = resourceTemplate(
    wordBusNumber({ base: 0, size: ecam.size / BUS_SIZE, producer: true }),
    ioPorts(configPort, CONFIG_PORTS),
    wordIo({ base: 0, size: configPort, producer: true }),
    wordIo({ base: behind, size: PORTS - behind, producer: true }),
    dwordMemory({ ...window, producer: true }),
  );
  const bridge = device(
    "PCI0",
    name("_HID", eisaId("PNP0A08")),
    name("_CID", eisaId("PNP0A03")),
    name("_SEG", integer(0)),
    name("_BBN", integer(0)),
    name("_UID", integer(0)),
    name("_CRS", crs),
    name("_PRT", interruptRouting(pinGsi)),
    // Whatever the system wants to control is its own: there is nothing that firmware would keep.
    method("_OSC", 4, returnValue(argument(3))),
  );
  const reserved = device(
    "ECAM",
    name("_HID", eisaId("PNP0C02")),
    name("_UID", integer(0)),
    name("_CRS", resourceTemplate(memory32Fixed(ecam.base, ecam.size))),
  );
  return concat(bridge, reserved);
}

/** For INTA# of each device: its address for all functions, the pin, no link device, the GSI. */
function interruptRouting(pinGsi: (device: number) => number): Aml {
  const ALL_FUNCTIONS = 0xffff;
  // Device 0 is the bridge itself, which has no pin.
  const devices = Array.from({ length: DEVICES - 1 }, (_, i) => i + 1);
  return pkg(...devices.map((device) => {
    const address = device * 0x1_0000 + ALL_FUNCTIONS;
    return pkg(...[address, INTA, 0, pinGsi(device)].map(integer));
  }));
}
