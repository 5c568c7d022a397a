/**
 * Everything that can be compared, in the order of the report. Another subject is one file beside this one, an import
 * and a line.
 * @module
 */
import type { Subject } from "../compare/report.ts";

/** All subjects, by their names. */
export const SUBJECTS: readonly Subject[] = [];
