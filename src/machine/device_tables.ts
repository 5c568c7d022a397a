/**
 * The tables of devices, for who describes machines and makes none: the command line's help needs no more, on hosts of
 * any architecture.
 * @module
 */
export {
  COMMON_FIELDS,
  describeFields,
  type DeviceOptions,
  type OptionFields,
  usage,
} from "../../devices/mod.ts";
export { deviceTables } from "./device_config.ts";
