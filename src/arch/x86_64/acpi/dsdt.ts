/**
 * The DSDT: the processors and exactly the devices that are present, and the sleep state for power-off.
 * @module
 */
import { BootSetupError } from "../errors.ts";
import { concat } from "../bytes.ts";
import { type Aml, device, integer, name, pkg, scope, string } from "./aml.ts";
import { type AcpiDevice, deviceNode, HardwareId } from "./device.ts";
import { SLEEP_TYPE_S5 } from "./fadt.ts";
import { type Table, table } from "./table.ts";

/** What the DSDT describes. */
export interface DsdtInput {
  /** How many processors the MADT lists; their UIDs begin at 0. */
  readonly processors: number;
  readonly devices: readonly AcpiDevice[];
  /** Terms for `\_SB` that a plain device description can't express: a PCI host bridge, methods. */
  readonly terms?: readonly Aml[];
}

/** From this revision on AML computes with 64-bit integers. */
const REVISION = 2;

/**
 * The DSDT.
 *
 * @throws {BootSetupError} two devices with the same name
 */
export function dsdt({ processors, devices, terms = [] }: DsdtInput): Table {
  const names = new Set<string>();
  for (const { name } of devices) {
    if (names.has(name)) throw new BootSetupError(`two devices in the DSDT are named ${name}`);
    names.add(name);
  }
  const [typeA, typeB, reserved] = [SLEEP_TYPE_S5, SLEEP_TYPE_S5, 0].map(integer);
  const s5 = name("\\_S5", pkg(typeA, typeB, reserved, reserved));
  const cpus = Array.from({ length: processors }, (_, uid) => processorNode(uid));
  return table(
    "DSDT",
    REVISION,
    concat(s5, scope("\\_SB", ...cpus, ...devices.map(deviceNode), ...terms)),
  );
}

/** A processor device (8.4); its UID is that of its MADT entry. */
function processorNode(uid: number): Aml {
  const hex = uid.toString(16).toUpperCase().padStart(3, "0");
  return device(
    `C${hex}`,
    name("_HID", string(HardwareId.PROCESSOR)),
    name("_UID", integer(uid)),
  );
}
