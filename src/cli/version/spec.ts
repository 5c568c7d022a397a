/**
 * The table of `denovisor --version`.
 * @module
 */
import { defineVerb, flag, type ValuesOf } from "../verb.ts";

/** The options of `denovisor --version`. */
export const versionOptions = {
  json: flag("print it as JSON"),
} as const;

/** The parsed options of `denovisor --version`. */
export type VersionOptions = ValuesOf<typeof versionOptions>;

/** `denovisor --version`, which is asked for by an option and so is in no list of verbs. */
export const versionVerb = defineVerb({
  name: "version",
  summary: "print the version",
  description: "Prints the version, its commit, and those of Deno and V8.",
  operands: [],
  options: versionOptions,
  examples: [],
  sections: [],
  load: async () => (await import("./report.ts")).version,
});
