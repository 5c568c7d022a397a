/**
 * Outside judges for this folder's tests: the C compiler with the kernel's headers, and iasl.
 * @module
 */
import assert from "node:assert/strict";

/** Whether a program is on this host; a test that needs one is ignored by name where it is missing. */
export async function has(program: string): Promise<boolean> {
  try {
    const version = program === "iasl" ? "-v" : "--version";
    return (await run([program, version])).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Runs a program to its end. */
export async function run(
  [program, ...args]: string[],
  cwd?: string,
): Promise<{ success: boolean; output: string }> {
  const command = new Deno.Command(program, { args, cwd, stdout: "piped", stderr: "piped" });
  const { success, stdout, stderr } = await command.output();
  const text = new TextDecoder();
  return { success, output: text.decode(stdout) + text.decode(stderr) };
}

/**
 * The values of C integer expressions, as gcc computes them.
 *
 * @param includes headers, with their brackets or quotes
 */
export async function evaluateC<K extends string>(
  includes: readonly string[],
  expressions: Readonly<Record<K, string>>,
): Promise<Record<K, number>> {
  const directory = await Deno.makeTempDir({ prefix: "denovisor-c-" });
  try {
    const names = Object.keys(expressions) as K[];
    const source = [
      "#include <stddef.h>",
      "#include <stdio.h>",
      ...includes.map((header) => `#include ${header}`),
      "int main(void) {",
      ...names.map((name) => `printf("%lld\\n", (long long)(${expressions[name]}));`),
      "return 0; }",
    ].join("\n");
    await Deno.writeTextFile(`${directory}/a.c`, source);
    const compiled = await run(["gcc", "-Wall", "-Werror", "-o", "a", "a.c"], directory);
    assert.ok(compiled.success, compiled.output);
    const { success, output } = await run([`${directory}/a`]);
    assert.ok(success, output);
    const lines = output.trim().split("\n");
    return Object.fromEntries(names.map((name, i) => [name, Number(lines[i])])) as Record<
      K,
      number
    >;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
