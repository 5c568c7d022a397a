/**
 * The version that `denovisor --version` prints.
 * @module
 */

/** The version in deno.json; a test holds them together. */
export const VERSION = "0.1.0";
