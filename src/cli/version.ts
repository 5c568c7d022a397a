/**
 * The version that `denovisor --version` prints.
 * @module
 */

/** The version in deno.json; a test holds them together. */
export const VERSION = "0.1.0";

/** The day of that version, for its manual. */
export const RELEASED = "2026-11-22";
