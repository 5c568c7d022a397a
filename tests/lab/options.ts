/**
 * What can be asked of the lab and what it gives.
 *
 * @module
 */

/** Rows and columns of a terminal. */
export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** A terminal that the command is to have. */
export interface LabTerminal {
  /** The size now. */
  size(): TerminalSize;
  /** Calls back whenever the size changes, until disposed of. */
  onResize(listener: () => void): Disposable;
}

/** Options of {@linkcode runInLab}; each has a default. */
export interface LabOptions {
  /** Memory of the lab in MiB; by default half of what this machine has available, up to 8192. */
  readonly memoryMiB?: number;
  /** Virtual CPUs of the lab; 2 by default. */
  readonly cpus?: number;
  /** Working directory of the command; ours by default. */
  readonly cwd?: string;
  /** Environment variables beside those that are passed on (see `environment.ts`). */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Whether the command gets the checkout itself instead of a copy in the lab's memory: what either
   * side writes the other sees at once, and reading takes longer by far on a busy machine.
   */
  readonly live?: boolean;
  /** Size in MiB of a disk with an empty ext4 file system, at /scratch; none by default. */
  readonly scratchMiB?: number;
  /** Folders that the command may write to, beside the checkout. */
  readonly shares?: readonly string[];
  /** Kernel modules to load before the command, beside those that every lab loads. */
  readonly modules?: readonly string[];
  /** What the command reads as standard input; nothing by default. */
  readonly stdin?: ReadableStream<Uint8Array>;
  /** Gets the command's standard output as it comes; without it, it is in the result. */
  readonly stdout?: WritableStream<Uint8Array>;
  /** Gets the command's standard error as it comes; without it, it is in the result. */
  readonly stderr?: WritableStream<Uint8Array>;
  /**
   * Gives the command a terminal of its own, to which `stdin` is typed and whose output goes to
   * `stdout`.
   */
  readonly terminal?: LabTerminal;
  /** Called when the command is about to be started. */
  readonly onStart?: () => void;
  /** How long it may take until the command is started, in milliseconds; 120,000 by default. */
  readonly bootTimeout?: number;
  /** Ends the lab when aborted; {@linkcode runInLab} then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Milliseconds from the call of {@linkcode runInLab} to each step. */
export interface LabTiming {
  /** Kernel, initramfs and QEMU are there. */
  readonly prepared: number;
  /** The lab's kernel has booted and its first process asks what to do. */
  readonly booted: number;
  /** The command is started. */
  readonly started: number;
  /** The command has ended and all of its output is here. */
  readonly ended: number;
}

/** How a command ended. */
export interface LabResult {
  /** Its exit status; 128 + n if signal n ended it. */
  readonly code: number;
  /** Its standard output, where no stream was given for it. */
  readonly stdout: Uint8Array;
  /** Its standard error, likewise; empty with a terminal. */
  readonly stderr: Uint8Array;
  readonly timing: LabTiming;
}
