/**
 * A guest that a test talks to while it runs: commands on its console, one after another.
 * @module
 */
import type { CpioEntry } from "../../loader/mod.ts";
import { Machine, type MachineConfig } from "../../src/machine/mod.ts";
import { Transcript } from "../../src/guest/transcript.ts";
import { buildInitramfs, kernelAsset, vmlinuxAsset } from "../assets/mod.ts";

/** The modules of both transports. */
const TRANSPORT_MODULES = ["virtio_pci", "virtio_mmio"];
/** In the lab a boot takes seconds. */
const BOOT_SECONDS = 120;

/** What a guest's shell does with each line: a command's end is told by a line of its own. */
const LOOP = 'stty -echo; echo "@up"; while read -r line; do eval "$line"; done';

/** What a test boots. */
export interface PeerGuestOptions extends Omit<MachineConfig, "kernel" | "initrd" | "cmdline"> {
  /** The drivers of its devices. */
  readonly drivers: readonly string[];
  /** Programs that it has beside busybox. */
  readonly files?: readonly CpioEntry[];
}

/** A running machine with a shell in it. */
export class PeerGuest implements AsyncDisposable {
  readonly machine: Machine;
  readonly #transcript: Transcript;
  readonly #log: readonly string[];
  #commands = 0;

  private constructor(machine: Machine, log: string[]) {
    this.machine = machine;
    this.#log = log;
    this.#transcript = new Transcript(machine.console.output, () => log.join("\n"));
  }

  /** Boots a stock kernel and waits for the shell. */
  static async start(options: PeerGuestOptions): Promise<PeerGuest> {
    const { drivers, files, ...config } = options;
    const kernel = await kernelAsset("cloud");
    const log: string[] = [];
    const machine = await Machine.create({
      ...config,
      cmdline: "console=ttyS0 panic=-1 quiet",
      kernel: await vmlinuxAsset("cloud"),
      initrd: await buildInitramfs({
        kernel,
        modules: [...TRANSPORT_MODULES, ...drivers],
        files,
        command: LOOP,
      }),
    }, { log: (line) => void log.push(line) });
    try {
      machine.start();
      const guest = new PeerGuest(machine, log);
      await guest.#transcript.wait(/^@up\n/m, BOOT_SECONDS, "the end of the boot");
      return guest;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What the machine's devices had to say. */
  get log(): readonly string[] {
    return this.#log;
  }

  /**
   * Runs a command in the guest.
   *
   * @returns what it printed, without the last line's end
   * @throws {Error} when its status isn't 0, it takes too long, or the machine ends
   */
  async run(command: string, seconds = 60): Promise<string> {
    const { status, text } = await this.try(command, seconds);
    if (status !== 0) throw new Error(`status ${status} from ${command}:\n${text}`);
    return text;
  }

  /** The same for a command that may fail. */
  async try(command: string, seconds = 60): Promise<{ status: number; text: string }> {
    const mark = `@${++this.#commands}`;
    const line = `{ ${command}; } </dev/null 2>&1; echo "${mark} $?"\n`;
    // What the kernel has said meanwhile is no part of the answer.
    this.#transcript.skip();
    await this.machine.console.write(new TextEncoder().encode(line));
    const pattern = new RegExp(`${mark} (\\d+)\n`);
    const { input, index, 1: status } = await this.#transcript.wait(pattern, seconds, command);
    return { status: Number(status), text: input.slice(0, index).trimEnd() };
  }

  /** Stops the machine. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine[Symbol.asyncDispose]();
  }
}
