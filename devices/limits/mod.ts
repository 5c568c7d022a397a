/**
 * Limits on how fast a device may go.
 * @module
 */
export * from "./options.ts";
export * from "./rate_limiter.ts";
export * from "./token_bucket.ts";
