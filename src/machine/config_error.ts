/**
 * What is wrong with a configuration.
 * @module
 */

/** A configuration that can't be used; the message has one line for each field that is wrong. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(
    /** Each field that is wrong, as `field: what is wrong with it`. */
    readonly problems: readonly string[],
    options?: ErrorOptions,
  ) {
    super(problems.join("\n"), options);
  }
}
