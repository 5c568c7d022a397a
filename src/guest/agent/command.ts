/**
 * What a command in a guest is started with.
 * @module
 */
import { type Field, Role } from "./protocol.ts";
import type { CallOptions } from "./call.ts";

/** A terminal's size, in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** How a command is run. */
export interface CommandOptions extends CallOptions {
  /** More arguments. */
  readonly args?: readonly string[];
  /**
   * Its environment, beside PATH, HOME, USER and LOGNAME, and TERM with a terminal, which are set to what is usual for
   * its user. The host's own variables are not among them.
   */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its environment is only `env`. */
  readonly clearEnv?: boolean;
  /** The folder that it's run in; `/` by default. */
  readonly cwd?: string;
  /**
   * Who it's run as: a name or a number, perhaps with `:GROUP` behind it, looked up in the guest's /etc/passwd and
   * /etc/group. Whoever the agent is by default: root.
   */
  readonly user?: string | number;
  /** Gives it a terminal of this size, which standard error goes to as well. */
  readonly tty?: TerminalSize;
}

/** What a stream of a started command is connected to: the host, or nothing. */
export type Stdio = "piped" | "null";

/** How a command is started. */
export interface SpawnOptions extends CommandOptions {
  /** `"null"` by default; `"piped"` with a terminal. */
  readonly stdin?: Stdio;
  /** `"piped"` by default. */
  readonly stdout?: Stdio;
  /** `"piped"` by default; there is none with a terminal. */
  readonly stderr?: Stdio;
}

/** A terminal's size as the agent reads it. @throws {TypeError} for what is none */
export function terminalSize({ columns, rows }: TerminalSize): string {
  for (const number of [columns, rows]) {
    if (!Number.isInteger(number) || number < 0 || number > 0xffff) {
      throw new TypeError(`a terminal has 0 to 65535 columns and rows, not ${number}`);
    }
  }
  return `${columns}x${rows}`;
}

/** The fields of a command. @throws {TypeError} for what no command can be given */
export function commandFields(command: readonly string[], options: SpawnOptions): Field[] {
  const all = [...command, ...options.args ?? []];
  if (all.length === 0 || all[0] === "") throw new TypeError("there is no command to run");
  const fields: Field[] = all.map((argument) => ["a", argument]);
  for (const [name, value] of Object.entries(options.env ?? {})) {
    if (name === "" || name.includes("=")) {
      throw new TypeError(`${JSON.stringify(name)} is no name of a variable`);
    }
    fields.push(["e", `${name}=${value}`]);
  }
  if (options.clearEnv) fields.push(["c", ""]);
  if (options.cwd !== undefined) fields.push(["d", options.cwd]);
  if (options.user !== undefined) {
    if (options.user === "") throw new TypeError("a user has a name or a number");
    fields.push(["u", `${options.user}`]);
  }
  if (options.tty !== undefined) fields.push(["t", terminalSize(options.tty)]);
  return fields;
}

/** The streams that a command has to the host. */
export function commandStreams(options: SpawnOptions): Role[] {
  const { tty, stdin = tty === undefined ? "null" : "piped", stdout = "piped" } = options;
  const { stderr = tty === undefined ? "piped" : "null" } = options;
  if (tty !== undefined && stdout === "null") {
    throw new TypeError("who gives a command a terminal has to take what it prints");
  }
  if (tty !== undefined && stderr === "piped") {
    throw new TypeError("with a terminal, standard error is a part of standard output");
  }
  const streams: Role[] = [];
  if (stdin === "piped") streams.push(Role.stdin);
  if (stdout === "piped") streams.push(Role.stdout);
  if (stderr === "piped") streams.push(Role.stderr);
  return streams;
}
