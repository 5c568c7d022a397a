/**
 * Devices that the user writes, each in a file of its own, whose default export it is. A machine is given it by
 * `devices: [{ module: import.meta.resolve("./dice.ts"), options: { sides: 20 } }]`, the command line by
 * `--device ./dice.ts,sides=20`.
 *
 * **A bus device** has registers at ports or at memory-mapped addresses. It is attached in each vCPU's isolate, and an
 * access is answered there, while the vCPU waits. What the vCPUs share is in its `state`, whose fields are named once
 * and then read and assigned as properties; the machine holds the device's lock during an access. Variables of the file
 * are each isolate's own.
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
 * **A virtio device** is opened in an I/O isolate and is given each buffer that its driver puts into a queue. Queues in
 * every layout, both transports, interrupts, pauses and resets are taken care of.
 *
 * ```ts
 * import { defineVirtioDevice } from "denovisor/devices";
 *
 * export default defineVirtioDevice({
 *   type: 4242,
 *   queues: [64],
 *   metrics: ["requests"],
 *   open: ({ metrics }) => ({
 *     request(request) {
 *       request.write(request.read().toReversed());
 *       metrics.add("requests");
 *     },
 *   }),
 * });
 * ```
 *
 * **Places.** Where a range has no `base`, and where `interrupt` is `true`, the machine finds a place and says where
 * (`machine.busDevices`). With `acpiId` the guest is told, too. What is another's already is refused by name.
 *
 * **Errors.** Each names the device, its file and, where there is one, the line:
 *
 * | what goes wrong | what comes of it |
 * | --- | --- |
 * | the file is missing, can't be parsed, throws, waits for ever, or holds no device | no machine: `ConfigError` |
 * | an option that is wrong or unknown; a place that is taken | no machine: `ConfigError` |
 * | a virtio device's `features`, `queues` or `config` that can't be | no machine: `DeviceError` |
 * | `attach` or `open` throws; an access of a bus device throws, or gives no number | the machine ends: `MachineFailedError` |
 * | a virtio device's request throws | DEVICE_NEEDS_RESET and a line in the log; the driver's reset revives it |
 *
 * No access and no request may be asynchronous: whoever has none to give yet returns `false` from `request`, and calls
 * `again` when that has changed. Code that never returns can't be stopped from outside.
 *
 * A definition may also be a plain object, typed by `satisfies BusDeviceDefinition`, with `import type` alone. An
 * executable that was made by appending to Deno resolves `denovisor/devices` to what is needed here: the two functions
 * above, those that make options, and `DeviceError`.
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
export { UserDeviceError, UserModuleError } from "./errors.ts";
export { kitModule } from "./kit.ts";
export { type UserDevice, UserModules } from "./modules.ts";
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
