/**
 * A lab whose programs see nothing but a root of their own: no file of this machine's, no tool, no shell.
 *
 * Its initramfs has two parts. What runs first is busybox, which loads the modules of KVM, and then starts what it is told
 * to; a kernel that boots from its modules can't do without. The other part is the folder that becomes the root of
 * whatever is started, by chroot(2) and with an empty environment. Proc(5) is mounted in it. It may be written to, so that
 * what was is found there.
 *
 * The control port carries lines. From the lab: `up`, then for each script that it was sent
 * `ran STATUS OUTPUT ERRORS`, the two in base64. To the lab: the number of bytes of a script, and the script.
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { type CpioEntry, cpioPieces } from "../../loader/cpio.ts";
import { baseEntries, moduleEntries } from "../../src/rootfs/initramfs.ts";
import { kernelAsset, vmlinuxAsset } from "../../src/rootfs/kernels.ts";
import { interruptible } from "../../src/rootfs/interrupt.ts";
import { resolveModules } from "../../src/rootfs/modules.ts";
import { ensureDebianPackages } from "../../src/rootfs/packages.ts";
import { LabError } from "./errors.ts";
import { holdKvmProgram } from "./hold_kvm.ts";
import { FIND_PORT, PORT_PREFIX } from "./init.ts";
import { PortListeners } from "./ports.ts";
import { Qemu, QEMU_NEEDS } from "./qemu.ts";
import { shellQuote } from "./session.ts";
import { lines, writeAll } from "./streams.ts";

/** The folder of the initramfs that becomes the root. */
const ROOT = "bare";

const MODULES = ["virtio_pci", "virtio_console", "kvm-amd"];

const MEMORY_MIB = 3072;
const CPUS = 2;
/** Until it asks what to run. */
const BOOT_TIMEOUT_MS = 120_000;

const encoder = new TextEncoder();

/** Runs as process 1. */
function initScript(modules: readonly string[]): string {
  return `#!/bin/sh
export PATH=/bin
setup() {
  "$@" && return
  echo "lab: failed: $*"
  exit 1
}
${FIND_PORT}
setup mount -t proc proc /proc
setup mount -t sysfs sysfs /sys
setup mount -t devtmpfs devtmpfs /dev
${modules.map((name) => `setup insmod /lib/modules/${name}.ko`).join("\n")}
setup hold-kvm
setup mount -t proc proc /${ROOT}/proc
exec 3<> "$(port ${PORT_PREFIX}control)" || exit 1
echo up >&3
while read -r size <&3; do
  head -c "$size" <&3 > /run/script
  sh /run/script < /dev/null > /run/out 2> /run/err 3>&-
  status=$?
  echo "ran $status $(base64 /run/out | tr -d '\\n') $(base64 /run/err | tr -d '\\n')" >&3
done
poweroff -f
`;
}

/** What a program in the lab left. */
export interface BareResult {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/**
 * Boots a lab and lets `body` run programs in it; ends it after that, or when a signal ends this process.
 *
 * @param root what programs see of the lab
 * @throws {LabError} when the lab fails
 * @throws {RootfsError} when what it needs can't be had
 */
export async function inBareLab<T>(
  root: readonly CpioEntry[],
  body: (lab: BareLab) => Promise<T>,
): Promise<T> {
  await ensureDebianPackages(QEMU_NEEDS);
  const kernel = await vmlinuxAsset("generic");
  const entries = await initramfsEntries(root);
  using resources = new DisposableStack();
  return await interruptible(() => resources.dispose(), async (interrupted) => {
    const folder = Deno.makeTempDirSync({ prefix: "denovisor-bare-lab-" });
    resources.defer(() => Deno.removeSync(folder, { recursive: true }));
    const initramfs = join(folder, "initramfs.cpio");
    await Deno.writeFile(initramfs, ReadableStream.from(cpioPieces(entries)));
    interrupted.throwIfAborted();
    const listeners = resources.use(new PortListeners(["control"]));
    const qemu = resources.use(
      new Qemu({
        kernel,
        initramfs,
        memoryMiB: MEMORY_MIB,
        cpus: CPUS,
        shares: [],
        disks: [],
        ports: [{ name: `${PORT_PREFIX}control`, socket: listeners.path("control") }],
      }),
    );
    try {
      return await body(await BareLab.meet(qemu, listeners));
    } finally {
      resources.dispose();
      await qemu.ended;
    }
  });
}

/** A running lab. */
export class BareLab {
  readonly #qemu: Qemu;
  readonly #control: Deno.UnixConn;
  readonly #lines: AsyncGenerator<string>;
  readonly #died: Promise<never>;

  private constructor(qemu: Qemu, control: Deno.UnixConn) {
    this.#qemu = qemu;
    this.#control = control;
    this.#lines = lines(control);
    this.#died = death(qemu);
  }

  /** Waits until a lab is up. */
  static async meet(qemu: Qemu, listeners: PortListeners): Promise<BareLab> {
    const connected = Promise.race([listeners.accept(), death(qemu)]);
    const control = (await within(BOOT_TIMEOUT_MS, connected, qemu)).get("control");
    if (control === undefined) throw new Error("no connection to the control port");
    const lab = new BareLab(qemu, control);
    const line = await lab.#next(BOOT_TIMEOUT_MS);
    if (line !== "up") throw new LabError("died", `it says ${JSON.stringify(line)}`, qemu.output);
    return lab;
  }

  /**
   * Runs a program of the root.
   *
   * @param argv its path there, and its arguments
   * @param timeoutMs the lab has failed when it takes longer
   */
  run(argv: readonly string[], timeoutMs: number): Promise<BareResult> {
    const words = argv.map(shellQuote).join(" ");
    return this.#script(`exec env -i chroot /${ROOT} ${words}`, timeoutMs);
  }

  /** Everything in the root, by its path there, in order; what is mounted in it is left out. */
  async files(): Promise<string[]> {
    const { out } = await this.#script(`cd /${ROOT} && find . -xdev ! -path . | sort`, 30_000);
    return out.trim().split("\n").map((path) => path.slice(1));
  }

  /** Runs a script outside the root. */
  async #script(text: string, timeoutMs: number): Promise<BareResult> {
    const script = encoder.encode(`${text}\n`);
    await writeAll(this.#control, encoder.encode(`${script.byteLength}\n`));
    await writeAll(this.#control, script);
    const line = await this.#next(timeoutMs);
    const [, status, out, err] = /^ran (\d+) (\S*) (\S*)$/.exec(line) ?? [];
    if (status === undefined) throw new LabError("died", `it says ${line}`, this.#qemu.output);
    const decode = (base64: string) => Buffer.from(base64, "base64").toString();
    return { status: Number(status), out: decode(out), err: decode(err) };
  }

  /** The next line of the control port. */
  async #next(timeoutMs: number): Promise<string> {
    const next = Promise.race([this.#lines.next(), this.#died]);
    const { value, done } = await within(timeoutMs, next, this.#qemu);
    if (done) throw new LabError("died", "it closed its control port", this.#qemu.output);
    return value;
  }
}

/** The lab's initramfs. */
async function initramfsEntries(root: readonly CpioEntry[]): Promise<CpioEntry[]> {
  const modules = await resolveModules((await kernelAsset("generic")).modulesDir, MODULES);
  return [
    ...await baseEntries(),
    ...moduleEntries(modules),
    { path: "bin/hold-kvm", type: "file", mode: 0o755, data: holdKvmProgram() },
    {
      path: "init",
      type: "file",
      mode: 0o755,
      data: initScript(modules.map((module) => module.name)),
    },
    { path: ROOT, type: "directory" },
    ...root.map((entry) => ({ ...entry, path: join(ROOT, entry.path) })),
  ];
}

/** Fails when a lab's QEMU ends. */
function death(qemu: Qemu): Promise<never> {
  const died = qemu.ended.then((how) => Promise.reject(new LabError("died", how, qemu.output)));
  died.catch(() => {}); // it may come when nobody waits for it any more
  return died;
}

/** Waits for a lab. @throws {LabError} when it takes too long */
async function within<T>(milliseconds: number, event: Promise<T>, qemu: Qemu): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const problem = `the lab said nothing for ${milliseconds / 1000} s`;
    late.reject(new LabError("timeout", problem, qemu.output));
  }, milliseconds);
  try {
    return await Promise.race([event, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
