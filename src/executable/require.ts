/**
 * What the packages that the program is bundled with take from node's modules, in place of them.
 *
 * Deno has these modules, but loads thousands of lines of JavaScript for each that is asked for: together they take
 * longer than everything else that happens before a guest runs. A bundle asks for them by `require`, which this
 * module defines; so it has to be imported first. A module or a member that is not here is an error that names it.
 *
 * commander extends EventEmitter, asks the process for the width of its streams when it prints help, and has no use
 * for the rest: those are for subcommands that are programs of their own.
 * @module
 */

type Listener = (...args: unknown[]) => void;

/** As much of node's EventEmitter as commander uses: listeners that are never removed. */
class EventEmitter {
  readonly #listeners = new Map<string, Listener[]>();

  on(event: string, listener: Listener): this {
    const known = this.#listeners.get(event);
    if (known === undefined) this.#listeners.set(event, [listener]);
    else known.push(listener);
    return this;
  }

  emit(event: string, ...args: unknown[]): boolean {
    const listeners = this.#listeners.get(event) ?? [];
    for (const listener of listeners) listener.apply(this, args);
    return listeners.length > 0;
  }

  listenerCount(event: string): number {
    return this.#listeners.get(event)?.length ?? 0;
  }
}

function stream(of: { isTerminal(): boolean }): object {
  return {
    get isTTY() {
      return of.isTerminal();
    },
    get columns() {
      return of.isTerminal() ? Deno.consoleSize().columns : undefined;
    },
  };
}

const process = {
  exitCode: undefined,
  stdout: stream(Deno.stdout),
  stderr: stream(Deno.stderr),
  get env(): Record<string, string> {
    return Deno.env.toObject();
  },
};

/** A module of which only the members that it has here may be used. */
function only(name: string, members: object): object {
  return new Proxy(members, {
    get(target, member, receiver) {
      if (member in target) return Reflect.get(target, member, receiver);
      throw new Error(`${String(member)} of ${name} is not part of this executable`);
    },
  });
}

const modules: Readonly<Record<string, object>> = {
  "node:events": only("node:events", { EventEmitter }),
  "node:process": only("node:process", process),
  "node:child_process": only("node:child_process", {}),
  "node:fs": only("node:fs", {}),
  "node:path": only("node:path", {}),
};

/** What the bundler's code calls for a module that it has left out. */
function require(name: string): object {
  const module = modules[name];
  if (module === undefined) throw new Error(`${name} is not part of this executable`);
  return module;
}

Object.assign(globalThis, { require });
