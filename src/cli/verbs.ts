/**
 * The one list of the verbs of `denovisor`. A new verb is a folder here and a line in this list.
 * @module
 */
import { completionsVerb } from "./completions/spec.ts";
import { doctorVerb } from "./doctor/spec.ts";
import { manVerb } from "./man/spec.ts";
import { runVerb } from "./run/spec.ts";
import { selfTestVerb } from "./self_test/spec.ts";
import type { Verb } from "./verb.ts";

/** The verbs, in the order of help. */
export const verbs: readonly Verb[] = [runVerb, doctorVerb, selfTestVerb, completionsVerb, manVerb];
