/**
 * Fault injection: what devices of every kind have in common. The rules themselves are each kind's own.
 * @module
 */
export * from "./random.ts";
export * from "./rules.ts";
export * from "./trigger.ts";
