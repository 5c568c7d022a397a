/**
 * The program `denovisor`: understands the command line and imports the verb that it names.
 * @module
 */
import { messageOf, statusOf } from "./errors.ts";
import { parse } from "./program.ts";
import { pastOf, say, system } from "./system.ts";
import { verbs } from "./verbs.ts";

/** Does what the command line says. @returns the exit status */
export async function main(args: readonly string[]): Promise<number> {
  const loaded = performance.now();
  try {
    const call = parse(args, verbs, system);
    if (typeof call === "number") return call;
    return await call.verb.execute(call.operands, call.options, {
      ...system,
      past: () => pastOf(loaded),
    });
  } catch (error) {
    say(system, messageOf(error));
    return statusOf(error);
  }
}

// A read of standard input may be under way, which nothing can cancel; so the end is an explicit one.
if (import.meta.main) Deno.exit(await main(Deno.args));
