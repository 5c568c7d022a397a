/**
 * A run that has a name: the machine of the moment, as its control socket sees it.
 * @module
 */
import type { CheckedConfig } from "../../machine/config.ts";
import type { Controlled, GuestCommand } from "../control/controlled.ts";
import { Places } from "../control/places.ts";
import { processUsage } from "../control/process.ts";
import {
  ControlError,
  type MachineInfo,
  type MachineState,
  type MachineStats,
  type RequestOf,
  type Stopped,
} from "../control/protocol.ts";
import { ControlServer } from "../control/server.ts";
import { ConsoleHub } from "../control/shared_console.ts";
import type { RunnableMachine } from "./machine.ts";

/** What starts commands in the guest. */
export interface GuestAgent {
  /** A machine is about to be built, whose guest is the one from now on. */
  begin(): void;
  /** It has ended: whatever waits for its guest fails. */
  end(): void;
  /** @throws {ControlError} */
  spawn(request: RequestOf<"exec">): Promise<GuestCommand>;
  /** Asks the guest to power itself off; resolves when it has understood. @throws {ControlError} */
  powerOff(): Promise<void>;
}

/** What a named run is about. */
export interface NamedRun {
  readonly name: string;
  readonly config: CheckedConfig;
  /** Undefined for guests without one. */
  readonly agent: GuestAgent | undefined;
  /** Types into whatever machine there is. */
  type(bytes: Uint8Array): Promise<void>;
  /** Asks for the end of the run. */
  end(): void;
  /** Since the run began, in milliseconds. */
  milliseconds(): number;
}

/** The machine of a named run, from the claim of the name to the end; a restart goes on with the same one. */
export class NamedMachine implements Controlled, AsyncDisposable {
  readonly console: ConsoleHub;
  readonly #run: NamedRun;
  readonly #over = Promise.withResolvers<void>();
  #machine: RunnableMachine | undefined;
  #state: MachineState = "starting";
  /** One after another: a pause has to be done before a resume begins. */
  #last: Promise<unknown> = Promise.resolve();
  #server: ControlServer | undefined;

  private constructor(run: NamedRun) {
    this.#run = run;
    this.console = new ConsoleHub(
      (bytes) => run.type(bytes),
      ({ columns, rows }) => this.#machine?.console.resize(columns, rows),
    );
  }

  /**
   * Claims the name, and listens.
   *
   * @throws {UsageError} another machine has it
   * @throws {HostError} there's no safe place for a socket
   */
  static async open(run: NamedRun, places: Places = Places.open()): Promise<NamedMachine> {
    const machine = new NamedMachine(run);
    const claim = await places.claim(run.name);
    machine.#server = new ControlServer(claim, machine);
    return machine;
  }

  /** A machine is about to be built. */
  begin(): void {
    this.#run.agent?.begin();
  }

  /** The machine that runs from now on; undefined from its end on. */
  set machine(machine: RunnableMachine | undefined) {
    this.#machine = machine;
    this.#state = machine === undefined ? "starting" : "running";
    if (machine === undefined) this.#run.agent?.end();
  }

  info(): MachineInfo {
    const { name, config: { kernel, cpus, memory }, agent } = this.#run;
    return {
      name,
      pid: Deno.pid,
      state: this.#state,
      kernel: typeof kernel === "string" ? kernel : kernel.name,
      cpus,
      memory,
      uptime: Math.round(this.#run.milliseconds()),
      agent: agent !== undefined,
    };
  }

  stats(): MachineStats {
    const devices = [...this.#machine?.devices ?? []].map(([id, { metrics }]) => [id, metrics]);
    return {
      name: this.#run.name,
      state: this.#state,
      uptime: Math.round(this.#run.milliseconds()),
      exits: this.#machine?.exits.map((exits) => ({ ...exits })) ?? [],
      devices: Object.fromEntries(devices),
      process: processUsage(),
    };
  }

  async pause(): Promise<void> {
    await this.#inTurn(async () => {
      const machine = this.#running();
      await machine.pause();
      if (machine === this.#machine && this.#state === "running") this.#state = "paused";
    });
  }

  async resume(): Promise<void> {
    await this.#inTurn(() => {
      const machine = this.#running();
      if (this.#state === "paused") {
        machine.resume();
        this.#state = "running";
      }
      return Promise.resolve();
    });
  }

  async stop({ force, timeout }: RequestOf<"stop">): Promise<Stopped> {
    let how: Stopped["how"] = "stopped";
    if (!force && this.#run.agent !== undefined && this.#state !== "starting") {
      if (await this.#powerOff(this.#run.agent, timeout)) how = "powered-off";
    }
    if (how === "stopped") this.#run.end();
    await this.#over.promise;
    return { how };
  }

  async spawn(request: RequestOf<"exec">): Promise<GuestCommand> {
    const { agent, name } = this.#run;
    if (agent === undefined) {
      throw new ControlError(
        "no-agent",
        `the machine ${name} has no agent in its guest: exec needs one that was started with run --rootfs`,
      );
    }
    this.#running();
    if (this.#state === "paused") {
      throw new ControlError("state", `the machine ${name} is paused (denovisor resume ${name})`);
    }
    return await agent.spawn(request);
  }

  /** The run has ended; who waits for that is told so. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.machine = undefined;
    this.#state = "ending";
    this.console.end();
    this.#over.resolve();
    await this.#server?.[Symbol.asyncDispose]();
  }

  /** Has the guest power itself off. @returns whether it has, in time */
  async #powerOff(agent: GuestAgent, timeout: number): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => late.resolve(false), timeout);
    try {
      // A guest that is paused can't end itself.
      await this.resume();
      const asked = agent.powerOff().then(() => this.#over.promise).then(() => true);
      const ended = this.#over.promise.then(() => true);
      return await Promise.race([asked.catch(() => false), ended, late.promise]);
    } catch {
      // Nobody is there to be asked.
      return false;
    } finally {
      clearTimeout(timer);
    }
  }

  #running(): RunnableMachine {
    if (this.#machine !== undefined) return this.#machine;
    throw new ControlError("state", `the machine ${this.#run.name} is ${this.#state}`);
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    await Promise.race([
      turn,
      this.#over.promise.then(() => {
        throw new ControlError("ended", `the machine ${this.#run.name} has ended`);
      }),
    ]);
  }
}
