/**
 * The list of devices that a machine has without being asked, as its architecture wants them. Who builds a machine
 * without others needs no more.
 *
 * @module
 */
import type { DeviceModule, DeviceSpec } from "./device.ts";
import { acpiPm, debugExit, i8042, port92, postCode, rtc, serial } from "./legacy/mod.ts";

/** Every kind of them. */
export const platformModules: readonly DeviceModule<never, DeviceSpec>[] = [
  serial,
  i8042,
  rtc,
  debugExit,
  postCode,
  acpiPm,
  port92,
];

/** The module of a kind. @throws {RangeError} if there is none of that kind */
export function platformModule(kind: string): DeviceModule<never, DeviceSpec> {
  const module = platformModules.find((module) => module.kind === kind);
  if (module === undefined) throw new RangeError(`no machine has a device "${kind}" unasked`);
  return module;
}
