/**
 * What the modules of user's devices import from `denovisor/devices`, where that is no file: an executable carries its
 * modules in bundles, and an import map in it leads that name to a module which takes all of this from the global
 * object.
 * @module
 */
import {
  count,
  defineOptions,
  field,
  flag,
  oneOf,
  optional,
  path,
  rate,
  size,
  text,
  withDefault,
} from "../options.ts";
import { DeviceError } from "../virtio/module.ts";
import { defineBusDevice } from "./bus_device.ts";
import { defineVirtioDevice } from "./virtio_device.ts";

/** The functions by their names. */
export const KIT = {
  ...{ defineBusDevice, defineVirtioDevice, defineOptions, DeviceError },
  ...{ count, field, flag, oneOf, optional, path, rate, size, text, withDefault },
};

/** The name of the property of the global object, in the registry of symbols. */
const NAME = "denovisor.devices";

/** Puts the kit where the module of {@linkcode kitModule} finds it. */
export function shareKit(): void {
  (globalThis as { [key: symbol]: unknown })[Symbol.for(NAME)] = KIT;
}

/** A module that exports the kit: its text. */
export function kitModule(): string {
  return `export const {${Object.keys(KIT)}}=globalThis[Symbol.for("${NAME}")]`;
}
