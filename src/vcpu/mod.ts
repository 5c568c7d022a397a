/**
 * One vCPU's run loop, and how it is paused, resumed and stopped from outside.
 * @module
 */
export * from "./control.ts";
export * from "./exit_counts.ts";
export * from "./moments.ts";
export * from "./requests.ts";
export * from "./run_loop.ts";
export * from "./stop.ts";
