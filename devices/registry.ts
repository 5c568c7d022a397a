/**
 * The one list of virtio devices. Adding one is its module and one line here; nothing else names one. What answers on
 * a bus by itself is in bus_registry.ts.
 *
 * @module
 */

import type { DeviceOptions, ValuesOf } from "./options.ts";
import { UnknownDeviceError } from "./bus_registry.ts";
import { balloon } from "./virtio/balloon/mod.ts";
import { block } from "./virtio/block/mod.ts";
import { console } from "./virtio/console/mod.ts";
import { entropy } from "./virtio/entropy/mod.ts";
import type { VirtioModule } from "./virtio/module.ts";
import { net } from "./virtio/net/mod.ts";
import { vsock } from "./virtio/vsock/mod.ts";
import type { UserModules } from "./user/modules.ts";

/** Every kind of virtio device that there is, in the order in which machines plug them in. */
const virtio = [
  block,
  net,
  vsock,
  console,
  entropy,
  balloon,
] as const satisfies readonly VirtioModule[];

/** The virtio devices that users can ask for, each with its table of properties. */
export const virtioModules: readonly VirtioModule[] = virtio;

/** What a user may write for one device: text as on the command line, or its properties. */
export type DeviceText<O extends DeviceOptions> =
  | string
  | ({ readonly [K in keyof ValuesOf<O>]?: ValuesOf<O>[K] | string } & {
    readonly id?: string;
    readonly thread?: "shared" | "own";
    readonly packed?: boolean;
  });

/** The fields of a machine's configuration that ask for devices. */
export type DeviceFields = {
  readonly [M in typeof virtio[number] as M["options"]["field"]]?:
    M["options"]["multiplicity"] extends "one" ? DeviceText<M["options"]> | boolean
      : readonly DeviceText<M["options"]>[];
};

/**
 * The module of a kind of virtio device.
 *
 * @param userModules where a user's own kinds are, which are called by the URLs of their modules
 * @throws {UnknownDeviceError} If there is no such kind.
 */
export function virtioModule(kind: string, userModules?: UserModules): VirtioModule {
  const module = virtioModules.find((module) => module.kind === kind) ?? userModules?.virtio(kind);
  if (module === undefined) throw new UnknownDeviceError(kind, virtioModules.map((m) => m.kind));
  return module;
}
