/**
 * What a guest asked of its machine, noted by the vCPU that served the access.
 * @module
 */
import type { MachineRequest } from "./stop.ts";

/**
 * The first request of one vCPU. Devices call it from inside a register access; the run loop looks at it
 * after the access, so the guest's next instruction is never run.
 */
export class RequestNote {
  #request: MachineRequest | undefined;

  /** What was asked for first, or undefined. */
  get request(): MachineRequest | undefined {
    return this.#request;
  }

  /** The guest ends its run with a status; its low 8 bits count. */
  exit(status: number): void {
    this.#request ??= { kind: "exit", status: status & 0xff };
  }

  /** The guest resets its machine; `source` names the device. */
  reset(source: string): void {
    this.#request ??= { kind: "reset", source };
  }

  /** The guest switches its machine off; `source` names the device. */
  powerOff(source: string): void {
    this.#request ??= { kind: "power-off", source };
  }
}
