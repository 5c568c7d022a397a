/**
 * The devices of an old PC that a kernel still expects, or finds handy.
 *
 * @module
 */

export {
  ACPI_PM_PORT,
  ACPI_PM_PORT_COUNT,
  acpiPm,
  type AcpiPmOptions,
  type AcpiPmSpec,
  RESET_REG,
  RESET_VALUE,
  SLEEP_CONTROL_REG,
  SLEEP_STATUS_REG,
  SLP_TYP_S5,
} from "./acpi_pm.ts";
export {
  DEBUG_EXIT_PORT,
  debugExit,
  type DebugExitOptions,
  type DebugExitSpec,
} from "./debug_exit.ts";
export { i8042, type I8042Options, type I8042Spec } from "./i8042.ts";
export { port92, type Port92Options, type Port92Spec } from "./port92.ts";
export {
  lastPostCode,
  POST_CODE_PORT,
  postCode,
  type PostCodeOptions,
  type PostCodeSpec,
} from "./post_code.ts";
export { rtc, type RtcOptions, type RtcSpec } from "./rtc.ts";
export { hostInput, serial, type SerialOptions, type SerialSpec } from "./serial.ts";
