/**
 * The one list of the verbs of `denovisor`. A new verb is a folder here and a line in this list.
 * @module
 */
import { completionsVerb } from "./completions/spec.ts";
import { consoleVerb } from "./console/spec.ts";
import { doctorVerb } from "./doctor/spec.ts";
import { execVerb } from "./exec/spec.ts";
import { manVerb } from "./man/spec.ts";
import { pauseVerb } from "./pause/spec.ts";
import { psVerb } from "./ps/spec.ts";
import { resumeVerb } from "./resume/spec.ts";
import { runVerb } from "./run/spec.ts";
import { selfTestVerb } from "./self_test/spec.ts";
import { statsVerb } from "./stats/spec.ts";
import { stopVerb } from "./stop/spec.ts";
import type { Verb } from "./verb.ts";

/** The verbs, in the order of help. */
export const verbs: readonly Verb[] = [
  runVerb,
  psVerb,
  execVerb,
  consoleVerb,
  pauseVerb,
  resumeVerb,
  stopVerb,
  statsVerb,
  doctorVerb,
  selfTestVerb,
  completionsVerb,
  manVerb,
];
