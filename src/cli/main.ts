/**
 * The program `denovisor`: understands the command line and imports the verb that it names.
 * @module
 */
import { messageOf, statusOf } from "./errors.ts";
import { parsePlain } from "./plain.ts";
import { runOperands, runOptions } from "./run/options.ts";
import { pastOf, say, type System, system } from "./system.ts";

/** Does what the command line says. @returns the exit status */
export async function main(args: readonly string[]): Promise<number> {
  try {
    return await doAs(args, { ...system, past: pastOf });
  } catch (error) {
    say(system, messageOf(error));
    return statusOf(error);
  }
}

async function doAs(args: readonly string[], system: System): Promise<number> {
  const [verb, ...words] = args;
  // Where most runs are understood, the tables of all verbs and of all devices stay unread.
  const plain = verb === "run" ? parsePlain(words, runOperands, runOptions) : undefined;
  if (plain !== undefined) {
    const { run } = await import("./run/run.ts");
    return await run(plain.operands, plain.options, system);
  }
  const [{ parse }, { verbs }] = await Promise.all([import("./program.ts"), import("./verbs.ts")]);
  const call = parse(args, verbs, system);
  if (typeof call === "number") return call;
  return await call.verb.execute(call.operands, call.options, system);
}

// A read of standard input may be under way, which nothing can cancel; so the end is an explicit one.
if (import.meta.main) Deno.exit(await main(Deno.args));
