/**
 * A guest that a test talks to while it runs: commands on its console, one after another.
 * @module
 */
import type { CpioEntry } from "../../loader/mod.ts";
import { Machine, type MachineConfig } from "../../mod.ts";
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
  #text = "";
  /** Where the answer to the command that runs begins. */
  #from = 0;
  #ended = false;
  #news = Promise.withResolvers<void>();
  #commands = 0;
  readonly #log: string[];

  private constructor(machine: Machine, log: string[]) {
    this.machine = machine;
    this.#log = log;
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
    const guest = new PeerGuest(machine, log);
    try {
      machine.start();
      guest.#follow().catch(() => {});
      await guest.#wait(/^@up$/m, BOOT_SECONDS, "the boot");
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
    this.#from = this.#text.length;
    await this.machine.console.write(new TextEncoder().encode(line));
    const found = await this.#wait(new RegExp(`${mark} (\\d+)$`, "m"), seconds, command);
    const text = this.#text.slice(this.#from, this.#from + found.index).trimEnd();
    return { status: Number(found[1]), text };
  }

  /** Stops the machine. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine[Symbol.asyncDispose]();
  }

  async #follow(): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of this.machine.console.output) {
        this.#text += decoder.decode(chunk, { stream: true }).replaceAll("\r", "");
        this.#wake();
      }
    } finally {
      this.#ended = true;
      this.#wake();
    }
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }

  async #wait(pattern: RegExp, seconds: number, what: string): Promise<RegExpExecArray> {
    const end = performance.now() + seconds * 1000;
    for (;;) {
      const found = pattern.exec(this.#text.slice(this.#from));
      // The line's end is there too: more digits could follow.
      if (found !== null && this.#text[this.#from + found.index + found[0].length] === "\n") {
        return found;
      }
      const left = end - performance.now();
      const heard = () => `${this.#text.slice(-2000)}\n${this.#log.join("\n")}`;
      if (this.#ended) throw new Error(`the machine has ended during ${what}:\n${heard()}`);
      if (left <= 0) throw new Error(`not within ${seconds} s: ${what}\n${heard()}`);
      let timer;
      const late = new Promise<void>((resolve) => void (timer = setTimeout(resolve, left)));
      await Promise.race([this.#news.promise, late]);
      clearTimeout(timer);
    }
  }
}
