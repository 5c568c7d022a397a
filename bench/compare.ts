/**
 * `deno task compare [SUBJECT...]`: the same work under other monitors, loops in C and denovisor, in the same run.
 * @module
 */
import { compare } from "./compare/run.ts";
import { SUBJECTS } from "./subjects/mod.ts";

if (import.meta.main) {
  Deno.exitCode = await compare(Deno.args, {
    subjects: SUBJECTS,
    entry: import.meta.filename!,
  });
}
