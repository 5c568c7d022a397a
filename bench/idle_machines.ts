/**
 * Many idle machines in one process: what a list of configurations on the command line says, as JSON. It prints a line
 * when all guests are idle, and goes on until it's killed. For bench/subjects/idle.ts.
 * @module
 */
import { Machine, type StartConfig } from "../mod.ts";
import { IDLE } from "./idleness.ts";

if (import.meta.main) {
  const configs: readonly StartConfig[] = JSON.parse(Deno.args[0]);
  await using stack = new AsyncDisposableStack();
  const machines: Machine[] = [];
  for (const config of configs) machines.push(stack.use(await Machine.start(config)));
  for (const { console } of machines) await console.expect(`${IDLE}\n`, { timeout: "60s" });
  Deno.stdout.writeSync(new TextEncoder().encode(`${IDLE}\n`));
  await Promise.all(machines.map(({ ended }) => ended));
}
