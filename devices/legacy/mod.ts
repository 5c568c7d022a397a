/**
 * The devices of an old PC that a kernel still expects, or finds handy.
 *
 * @module
 */

export { hostInput, serial, type SerialOptions, type SerialSpec } from "./serial.ts";
