/**
 * QEMU as the lab's hardware: an AMD machine with SVM and nested paging, emulated in software.
 *
 * @module
 */

import type { Disk } from "./disks.ts";
import { ROOT_TAG } from "./init.ts";
import { shareTag, shellQuote } from "./session.ts";

/** The program, and what else starts it, each with its Debian package. */
export const QEMU_NEEDS = {
  "qemu-system-x86_64": "qemu-system-x86",
  "setpriv": "util-linux",
} as const;

/** What QEMU is to be. */
export interface QemuOptions {
  /** Path of an uncompressed vmlinux, which is entered through PVH. */
  readonly kernel: string;
  readonly initramfs: string;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** The folder of the host that is the lab's root, which it may only read; without it, it sees no file of the host. */
  readonly root?: string;
  /** Folders of the host that the lab may write to. */
  readonly shares: readonly string[];
  readonly disks: readonly Disk[];
  /** virtio-serial ports: their names and the sockets that QEMU connects to. */
  readonly ports: readonly { readonly name: string; readonly socket: string }[];
  /** The socket of a virtio console, which is /dev/hvc0 in the lab, if there is to be one. */
  readonly terminal?: string;
}

/**
 * The lab's kernel command line. The lab is one machine's rig and not a place of secrets, so that
 * mitigations only cost time; an oops is made a panic, since a test that goes on after one hangs.
 * On a busy machine the timer's interrupts come late, which the kernel must not take for a broken
 * timer: without `no_timer_check` it panics.
 *
 * QEMU 7.2 loses interrupts of a processor that leaves a guest: at each #VMEXIT it clears a bit in
 * `interrupt_request` without a lock, while other threads set bits there. A one-shot timer whose
 * interrupt is lost is never set again, and its processor sleeps for ever. Periodic ticks
 * (`nohz=off highres=off`) come again, and bring what was lost with them.
 */
const CMDLINE = [
  ...["console=ttyS0", "quiet", "panic=-1", "oops=panic"],
  ...["mitigations=off", "tsc=reliable", "nowatchdog", "no_timer_check"],
  ...["nohz=off", "highres=off"],
].join(" ");

/**
 * QEMU emulates SVM without the interception of XSETBV. KVM then takes its guests' XCR0 for what it is at
 * reset, and puts that back at each entry: guests see a wrong size of their XSAVE area, and lose what they
 * save, under every monitor. So the lab's processor has no XSAVE, nor anything that needs it. Page tables of
 * five levels would make each of a guest's page walks longer: a tenth of the time that Deno takes here.
 * QEMU emulates REP MOVSB byte by byte, so that a kernel must not take it for the fastest way to copy.
 */
const CPU = [
  ...["max", "la57=off", "erms=off", "fsrm=off"],
  ...["xsave=off", "avx=off", "avx2=off", "f16c=off", "fma=off", "pku=off"],
].join(",");

/** The first file descriptor at which QEMU gets disks whose files have no name any more. */
const FIRST_DISK_FD = 3;

/** QEMU's arguments. */
export function qemuArguments(options: QemuOptions): string[] {
  const ports = options.ports.flatMap(({ name, socket }, index) => [
    ...["-chardev", `socket,id=port${index},path=${escapeValue(socket)}`],
    ...["-device", `virtserialport,chardev=port${index},name=${name},nr=${index + 1}`],
  ]);
  const terminal = options.terminal === undefined ? [] : [
    ...["-chardev", `socket,id=terminal,path=${escapeValue(options.terminal)}`],
    // The kernel takes only port 0 as a console when it looks for one early.
    ...["-device", "virtconsole,chardev=terminal,nr=0"],
  ];
  return [
    ...["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"],
    ...["-M", "q35,vmport=off", "-accel", "tcg,thread=multi", "-cpu", CPU],
    ...["-smp", `${options.cpus}`, "-m", `${options.memoryMiB}M`],
    ...["-kernel", options.kernel, "-initrd", options.initramfs, "-append", CMDLINE],
    ...["-serial", "stdio"],
    ...options.root === undefined ? [] : fileSystem(options.root, ROOT_TAG, true),
    ...options.shares.flatMap((path, index) => fileSystem(path, shareTag(index), false)),
    ...options.disks.flatMap(blockDevice),
    ...["-device", `virtio-serial-pci,max_ports=${options.ports.length + 1}`],
    ...terminal,
    ...ports,
  ];
}

function fileSystem(path: string, tag: string, readonly: boolean): string[] {
  // "remap" keeps inode numbers apart where one share spans several of the host's file systems.
  const access = `security_model=none,multidevs=remap${readonly ? ",readonly=on" : ""}`;
  return [
    ...["-fsdev", `local,id=${tag},path=${escapeValue(path)},${access}`],
    ...["-device", `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`],
  ];
}

function blockDevice({ serial, path, writable, temporary }: Disk, index: number): string[] {
  const file = temporary ? `/dev/fd/${FIRST_DISK_FD + index}` : escapeValue(path);
  const access = writable ? "discard=unmap" : "readonly=on";
  return [
    ...["-drive", `file=${file},format=raw,if=none,id=disk${index},${access}`],
    ...["-device", `virtio-blk-pci,drive=disk${index},serial=${serial}`],
  ];
}

/** A script that opens and removes the temporary disks, and becomes what its arguments say. */
function launcher(disks: readonly Disk[]): string {
  const lines = disks.flatMap(({ path, writable, temporary }, index) => {
    if (!temporary) return [];
    const file = shellQuote(path);
    return [`exec ${FIRST_DISK_FD + index}${writable ? "<>" : "<"} ${file} && rm ${file} || exit`];
  });
  return [...lines, 'exec "$@"'].join("\n");
}

/** QEMU's options separate values by commas; a doubled one stands for itself. */
function escapeValue(value: string): string {
  return value.replaceAll(",", ",,");
}

/** The last lines of a text that comes in pieces. */
class Tail {
  #text = "";

  add(piece: string): void {
    this.#text = (this.#text + piece).slice(-TAIL_CHARACTERS);
  }

  get lines(): string[] {
    return this.#text.replaceAll("\r", "").split("\n").filter((line) => line.trim() !== "");
  }
}

const TAIL_CHARACTERS = 16_384;
/** How many lines an error shows. */
const TAIL_LINES = 80;

/**
 * A running QEMU. The kernel ends it when the thread that started it is gone (PR_SET_PDEATHSIG), so
 * that it never outlives us, whatever ends us.
 */
export class Qemu implements Disposable {
  readonly #child: Deno.ChildProcess;
  readonly #tail = new Tail();

  /** Settles when QEMU has ended and all that it printed was read; says how it ended. */
  readonly ended: Promise<string>;

  constructor(options: QemuOptions) {
    const qemu = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64"];
    this.#child = new Deno.Command("sh", {
      args: ["-c", launcher(options.disks), "sh", ...qemu, ...qemuArguments(options)],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.ended = this.#run();
  }

  async #run(): Promise<string> {
    const [status] = await Promise.all([
      this.#child.status,
      this.#collect(this.#child.stdout),
      this.#collect(this.#child.stderr),
    ]);
    if (this.#tail.lines.some((line) => line.includes("Kernel panic"))) {
      return "the lab's kernel panicked";
    }
    if (status.signal !== null) return `QEMU was ended by ${status.signal}`;
    return `QEMU ended with status ${status.code} before the command did`;
  }

  async #collect(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.#tail.add(text);
  }

  /** The last lines of the lab's console and of QEMU's messages. */
  get output(): string {
    return this.#tail.lines.slice(-TAIL_LINES).join("\n");
  }

  /** Ends QEMU at once; nothing of the lab is worth an orderly shutdown. */
  [Symbol.dispose](): void {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
