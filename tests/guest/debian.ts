/**
 * A login on a system's console, whoever runs its machine; and disks for such a system.
 * @module
 */
import { join } from "node:path";
import { Transcript } from "../../src/guest/transcript.ts";
import { run } from "../../src/rootfs/command.ts";
import { type DebianRootfs, debianRootfs } from "../assets/mod.ts";

/** In the lab a system takes about a minute to its login prompt, and a busy host makes that some. */
const BOOT_SECONDS = 400;
/** The same for one command. */
const COMMAND_SECONDS = 120;

const encoder = new TextEncoder();

/** What a test finds on its host. */
export interface DebianHost {
  readonly system: DebianRootfs;
  /** For sockets and other files. */
  readonly folder: string;
  /** A disk with the system, for one machine alone. */
  readonly root: string;
}

/** Has a folder with a copy of the system's disk for as long as `body` runs. */
export async function withDebian(body: (host: DebianHost) => Promise<void>): Promise<void> {
  const system = await debianRootfs();
  const folder = await Deno.makeTempDir();
  try {
    const root = join(folder, "root.img");
    await run(["cp", "--sparse=always", system.image, root]);
    await body({ system, folder, root });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A user at a console. */
export class Login {
  readonly #type: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
  readonly #transcript: Transcript;
  #commands = 0;

  /**
   * @param output what the system prints; it is read to its end
   * @param type takes what is typed at it
   */
  constructor(
    output: ReadableStream<Uint8Array<ArrayBuffer>>,
    type: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>,
  ) {
    this.#type = type;
    this.#transcript = new Transcript(output);
  }

  /** All that the system has printed so far. */
  get text(): string {
    return this.#transcript.text;
  }

  /** Waits for the prompt, and logs in as root, who has no password; the shell that then runs echoes nothing. */
  async login(): Promise<void> {
    await this.#transcript.wait(/^\S+ login: $/m, BOOT_SECONDS, "a login prompt");
    await this.type("root\r");
    await this.#transcript.wait(/# $/, COMMAND_SECONDS, "a shell's prompt");
    // A shell that neither edits lines nor, in the end, prompts. Each prompt is waited for, as its shell has the
    // terminal otherwise than the one before; and what is waited for is not what is typed.
    await this.type('PS1="@$((40 + 1))@ " exec sh\r');
    await this.#transcript.wait(/@41@ $/, COMMAND_SECONDS, "a plain shell");
    await this.type("stty -echo; PS1=; export TERM=dumb SYSTEMD_COLORS=0; echo @$((40 + 2))\r");
    await this.#transcript.wait(/@42\n/, COMMAND_SECONDS, "a shell that echoes nothing");
  }

  /** Types text as it is. */
  async type(text: string): Promise<void> {
    await this.#type(encoder.encode(text));
  }

  /**
   * Runs a command.
   *
   * @returns what it printed, without the last line's end
   * @throws {Error} when its status isn't 0, it takes too long, or the machine ends
   */
  async run(command: string): Promise<string> {
    const mark = `@${++this.#commands}`;
    await this.type(`{ ${command}; } 2>&1; echo "${mark}:$?"\r`);
    const pattern = new RegExp(`${mark}:(\\d+)\n`);
    const { input, index, 1: digits } = await this.#transcript.wait(
      pattern,
      COMMAND_SECONDS,
      command,
    );
    const [text, status] = [input.slice(0, index).trim(), Number(digits)];
    if (status !== 0) throw new Error(`status ${status} from ${command}:\n${text}`);
    return text;
  }

  /** Waits for the end of the output. */
  async ended(): Promise<void> {
    await this.#transcript.ended;
  }
}
