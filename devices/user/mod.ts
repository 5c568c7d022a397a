/**
 * Devices that the user writes, each in a module of its own, whose default export it is.
 *
 * ```ts
 * import { count, defineBusDevice, withDefault } from "denovisor/devices";
 *
 * export default defineBusDevice({
 *   options: { sides: withDefault(count("N", "the sides of the die", 2, 256), 6) },
 *   ranges: [{ space: "pio", size: 1 }],
 *   state: { registers: { throws: 0xffff_ffff } },
 *   attach: ({ options, state }) => ({
 *     read() {
 *       state.throws++;
 *       return Math.floor(Math.random() * options.sides) + 1;
 *     },
 *     write() {},
 *   }),
 * });
 * ```
 *
 * @module
 */
export {
  type BusDeviceContext,
  type BusDeviceDefinition,
  defineBusDevice,
  type PlacedRange,
  type RangeRequest,
  userBus,
  type UserBusSpec,
} from "./bus_device.ts";
export { UserDeviceError } from "./errors.ts";
export { kitModule } from "./kit.ts";
export { type UserDevice, UserModuleError, UserModules } from "./modules.ts";
export {
  readUserDevice,
  USER_DEVICE,
  type UserDeviceInput,
  type UserDeviceText,
} from "./options.ts";
export { VirtioRequest } from "./request.ts";
export type { NamedState, StateFields } from "./state.ts";
export {
  defineVirtioDevice,
  type VirtioDeviceContext,
  type VirtioDeviceDefinition,
  type VirtioHandler,
} from "./virtio_device.ts";
