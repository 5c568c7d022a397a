/**
 * A guest with the agent as its first process, and busybox.
 * @module
 */
import { join } from "node:path";
import type { CpioEntry } from "../../loader/mod.ts";
import { Machine, type MachineConfig, type MachineEnd } from "../../mod.ts";
import { Guest, VsockTransport } from "../../src/guest/agent/mod.ts";
import { readAsset } from "../../src/parts/mod.ts";
import { baseEntries, moduleEntries, storeInitramfs } from "../../src/rootfs/initramfs.ts";
import { kernelAsset, vmlinuxAsset } from "../../src/rootfs/kernels.ts";
import { resolveModules } from "../../src/rootfs/modules.ts";

/** What the agent needs to be reached, on each transport. */
const MODULES = ["virtio_pci", "virtio_mmio", "vmw_vsock_virtio_transport"];

/** What a test boots. */
export interface AgentGuestOptions
  extends Omit<Partial<MachineConfig>, "kernel" | "initrd" | "vsock" | "modules"> {
  /** Modules beside those of sockets. */
  readonly modules?: readonly string[];
  /** More files of the initramfs. */
  readonly files?: readonly CpioEntry[];
  /** Lines of /lib/denovisor/config. */
  readonly config?: readonly string[];
  /** Lines of /lib/denovisor/modules behind those of modules that are there. */
  readonly moreModules?: string;
}

/** How long a guest may take to boot in the lab. */
const BOOT_MS = 120_000;

/** A running machine whose agent is asked through its socket device. */
export class AgentGuest implements AsyncDisposable {
  readonly machine: Machine;
  readonly guest: Guest;
  readonly #transport: VsockTransport;
  readonly #folder: string;
  readonly #output: Promise<string>;

  private constructor(machine: Machine, transport: VsockTransport, folder: string) {
    this.machine = machine;
    this.#transport = transport;
    this.#folder = folder;
    this.guest = new Guest(transport);
    this.#output = new Response(machine.console.output).text();
  }

  /** The socket device's path on the host. */
  get uds(): string {
    return join(this.#folder, "vsock");
  }

  /** Starts it. It is ready when {@linkcode Guest.ready} says so. */
  static async start(options: AgentGuestOptions = {}): Promise<AgentGuest> {
    const { modules: wanted = [], files = [], config = [], moreModules, ...rest } = options;
    const kernel = await kernelAsset("cloud");
    const modules = await resolveModules(kernel.modulesDir, [...MODULES, ...wanted]);
    const folder = await Deno.makeTempDir({ prefix: "denovisor-agent-" });
    const uds = join(folder, "vsock");
    try {
      const ended = Promise.withResolvers<Error>();
      const transport = new VsockTransport(uds, ended.promise);
      const machine = await Machine.create({
        cmdline: "console=ttyS0 panic=-1 quiet",
        ...rest,
        vsock: { uds, cid: 3 },
        kernel: await vmlinuxAsset("cloud"),
        initrd: await storeInitramfs([
          ...await baseEntries(),
          ...moduleEntries(modules),
          { path: "init", type: "file", mode: 0o755, data: readAsset("agent") },
          {
            path: "lib/denovisor/modules",
            type: "file",
            data: modules.map(({ name }) => `/lib/modules/${name}.ko\n`).join("") +
              (moreModules ?? ""),
          },
          { path: "lib/denovisor/config", type: "file", data: config.join("\n") },
          { path: "etc/passwd", type: "file", data: "root:x:0:0:root:/root:/bin/sh\n" },
          { path: "etc/group", type: "file", data: "root:x:0:\n" },
          ...files,
        ]),
      });
      machine.ended.then((end) => ended.resolve(new Error(end.kind)));
      const started = new AgentGuest(machine, transport, folder);
      machine.start();
      return started;
    } catch (error) {
      await Deno.remove(folder, { recursive: true });
      throw error;
    }
  }

  /** Waits until it can be asked. @throws {Error} with the console's text */
  async ready(): Promise<void> {
    let timer;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("the agent is not ready")), BOOT_MS);
    });
    try {
      await Promise.race([this.guest.ready, late]);
    } catch (error) {
      await this.machine.stop();
      throw new Error(`the guest did not come up:\n${await this.#output}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits for its end. @throws {Error} with the console's text, when it does not come */
  async ended(): Promise<MachineEnd> {
    const timer = setTimeout(() => this.machine.stop(), BOOT_MS);
    const end = await this.machine.ended;
    clearTimeout(timer);
    if (end.kind !== "stopped") return end;
    throw new Error(`the guest did not end:\n${await this.#output}`);
  }

  /** All that the console has printed, once the machine has ended. */
  get output(): Promise<string> {
    return this.#output;
  }

  /** Stops the machine. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine[Symbol.asyncDispose]();
    this.#transport[Symbol.dispose]();
    await this.#output;
    await Deno.remove(this.#folder, { recursive: true });
  }
}

/** Makes a root file system of busybox in a new folder: what a guest needs to run a shell, and its own init. */
export async function busyboxFolder(root: string): Promise<void> {
  for (const name of ["bin", "dev", "etc", "proc", "run", "sbin", "sys", "tmp"]) {
    await Deno.mkdir(join(root, name), { recursive: true });
  }
  for (const entry of await baseEntries()) {
    const path = join(root, entry.path);
    if (entry.type === "symlink") await Deno.symlink(entry.target, path);
    if (entry.type === "file") await Deno.writeFile(path, bytes(entry.data), { mode: 0o755 });
  }
  await Deno.symlink("../bin/busybox", join(root, "sbin/init"));
  const files = {
    marker: "on the disk\n",
    passwd: "root:x:0:0:root:/root:/bin/sh\n",
    group: "root:x:0:\n",
    inittab: "::sysinit:/bin/true\n",
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(join(root, "etc", name), text);
  }
}

function bytes(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}
