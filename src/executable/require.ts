/**
 * What the program and the packages that it is bundled with take from node's modules.
 *
 * Deno has these modules, but loads thousands of lines of JavaScript for each that is asked for: together they take
 * longer than everything else that happens before a guest runs. A bundle asks for them by `require`, which this
 * module defines; so it has to be imported first. What is asked for at the start has a stand-in here. Node's own module
 * is loaded for what is not here: that is for the parts of the program that are loaded when they are needed, such as
 * the one that builds root file systems.
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

interface NodeProcess {
  getBuiltinModule(name: string): object | undefined;
}

/** Node's own module. */
function own(name: string): object {
  // Deno loads node's `process` when it is first touched.
  const { process } = globalThis as unknown as { readonly process: NodeProcess };
  const module = process.getBuiltinModule(name);
  if (module === undefined) throw new Error(`${name} is no module of node's`);
  return module;
}

/** A module of which some members have stand-ins; node's own is loaded for any other, and for who looks what there is. */
function standIn(name: string, members: object): object {
  return new Proxy(members, {
    get(target, member, receiver) {
      return Reflect.get(member in target ? target : own(name), member, receiver);
    },
    ownKeys: () => Reflect.ownKeys(own(name)),
    getOwnPropertyDescriptor(_target, member) {
      const found = Reflect.getOwnPropertyDescriptor(own(name), member);
      // A proxy has to say so of what its target does not have.
      return found && { ...found, configurable: true };
    },
  });
}

const modules: Readonly<Record<string, object>> = {
  "node:events": standIn("node:events", { EventEmitter }),
  "node:process": standIn("node:process", process),
  "node:child_process": standIn("node:child_process", {}),
  "node:fs": standIn("node:fs", {}),
  "node:path": standIn("node:path", {}),
};

/** What the bundler's code calls for a module that it has left out. */
function require(name: string): object {
  return modules[name] ?? own(name);
}

Object.assign(globalThis, { require });
