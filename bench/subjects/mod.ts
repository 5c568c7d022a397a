/**
 * Everything that can be compared, in the order of the report. Another subject is one file beside this one, an import
 * and a line.
 * @module
 */
import type { Subject } from "../compare/report.ts";
import { block } from "./block.ts";
import { boot } from "./boot.ts";
import { density } from "./density.ts";
import { exits } from "./exits.ts";
import { idle } from "./idle.ts";
import { interrupt } from "./interrupt.ts";
import { memory } from "./memory.ts";
import { net } from "./net.ts";
import { smp } from "./smp.ts";
import { soak } from "./soak.ts";
import { start } from "./start.ts";
import { vsock } from "./vsock.ts";
import { vsockLinux } from "./vsock_linux.ts";

/** All subjects, by their names. */
export const SUBJECTS: readonly Subject[] = [
  exits,
  smp,
  interrupt,
  start,
  boot,
  memory,
  density,
  block,
  net,
  vsock,
  vsockLinux,
  idle,
  soak,
];
