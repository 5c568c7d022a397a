/**
 * What `denovisor completions` does.
 * @module
 */
import { deliver } from "../deliver.ts";
import { PROGRAM } from "../root.ts";
import type { System } from "../system.ts";
import type { Verb } from "../verb.ts";
import { verbs } from "../verbs.ts";
import { bashScript } from "./bash.ts";
import { fishScript } from "./fish.ts";
import { commandLine } from "./model.ts";
import type { CompletionsOptions, Shell } from "./spec.ts";
import { zshScript } from "./zsh.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** The script for a shell. @param names what else the program is called */
export function script(shell: Shell, verbs: readonly Verb[], names: readonly string[]): string {
  return SCRIPTS[shell](commandLine(verbs), [...new Set([PROGRAM, ...names])]);
}

/** `denovisor completions SHELL`. */
export function completions(
  [shell]: readonly string[],
  { name }: CompletionsOptions,
  system: System,
): Promise<number> {
  // The parser refuses every other word.
  return Promise.resolve(deliver(system, script(shell as Shell, verbs, name)));
}
