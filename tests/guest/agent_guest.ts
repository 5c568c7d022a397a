/**
 * A guest with the agent as its first process, and busybox.
 * @module
 */
import { join } from "node:path";
import type { CpioEntry } from "../../loader/mod.ts";
import { Machine, type MachineConfig } from "../../mod.ts";
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
}

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

  /** Starts it. It is ready when {@linkcode Guest.ready} says so. */
  static async start(options: AgentGuestOptions = {}): Promise<AgentGuest> {
    const { modules: wanted = [], files = [], config = [], ...machineConfig } = options;
    const kernel = await kernelAsset("cloud");
    const modules = await resolveModules(kernel.modulesDir, [...MODULES, ...wanted]);
    const folder = await Deno.makeTempDir({ prefix: "denovisor-agent-" });
    const uds = join(folder, "vsock");
    try {
      const ended = Promise.withResolvers<Error>();
      const transport = new VsockTransport(uds, ended.promise);
      const machine = await Machine.create({
        cmdline: "console=ttyS0 panic=-1 quiet",
        ...machineConfig,
        vsock: { uds, cid: 3 },
        kernel: await vmlinuxAsset("cloud"),
        initrd: await storeInitramfs([
          ...await baseEntries(),
          ...moduleEntries(modules),
          { path: "init", type: "file", mode: 0o755, data: readAsset("agent") },
          {
            path: "lib/denovisor/modules",
            type: "file",
            data: modules.map(({ name }) => `/lib/modules/${name}.ko\n`).join(""),
          },
          { path: "lib/denovisor/config", type: "file", data: config.join("\n") },
          { path: "etc/passwd", type: "file", data: "root:x:0:0:root:/root:/bin/sh\n" },
          { path: "etc/group", type: "file", data: "root:x:0:\n" },
          ...files,
        ]),
      });
      machine.ended.then((end) => ended.resolve(new Error(`the machine ended: ${end.kind}`)));
      const started = new AgentGuest(machine, transport, folder);
      machine.start();
      return started;
    } catch (error) {
      await Deno.remove(folder, { recursive: true });
      throw error;
    }
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
