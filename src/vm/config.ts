/**
 * What a script asks for, as the core of the machine is given it.
 * @module
 */
import { join } from "node:path";
import { holdFolder } from "../host/held_folder.ts";
import { OwnFolder } from "../host/own_folder.ts";
import { linuxConsole, type MachineConfig, parseSize } from "../machine/mod.ts";
import type {
  GuestFiles,
  GuestFilesConfig,
  ImageEntry,
  KernelSource,
  RootfsSource,
} from "../rootfs/mod.ts";
import type { StartOptions } from "./options.ts";

/** A machine as a script describes it. */
export interface StartConfig extends Omit<MachineConfig, "kernel" | "disks"> {
  /**
   * A file, or bytes with a name. With a `rootfs` also `"host"` for the kernel that this host runs, `{ debian: "cloud" }`
   * for Debian's, or `{ path, modules }`; it is found where it's left out.
   */
  readonly kernel?: MachineConfig["kernel"] | KernelSource;
  /**
   * Boots Linux with this root and the project's agent, which is behind {@linkcode Machine.guest}: a path (a folder, a
   * tar, an ext4 image, an OCI layout or archive), `"busybox"`, or files. The guest writes to memory over it. Without a
   * kernel and a root, it's busybox.
   */
  readonly rootfs?: RootfsSource | "busybox";
  /** Disks as the core has them, or `{ size }` for an empty one, which ends with the machine. */
  readonly disks?: readonly (Disk | { readonly size: number | string })[];
  /** The guest writes to a disk of this size, a copy of the root that ends with the machine. Only with a path. */
  readonly rootSize?: number | string;
  /** The guest can't write to its root. Only with a path. */
  readonly rootReadonly?: boolean;
  /** Modules that the kernel loads beside those for the machine's devices, by name. Only with a `rootfs`. */
  readonly kernelModules?: readonly string[];
  /** What the guest calls itself; `"vm"` by default. Only with a `rootfs`. */
  readonly hostname?: string;
  /** What a reset by the guest does: `"end"` ends the machine (the default), `"restart"` starts it again. */
  readonly onReset?: "end" | "restart";
}

/** One disk of the core's. */
type Disk = NonNullable<MachineConfig["disks"]>[number];

/** A configuration as the core has it, but for its kernel. */
type CoreConfig = Omit<MachineConfig, "kernel">;

/** What a machine is started from, as often as it is reset. */
export interface Prepared extends AsyncDisposable {
  readonly config: MachineConfig;
  readonly onReset: "end" | "restart";
  /** The socket behind which the guest's agent listens; absent where there is no agent. */
  readonly agent?: string;
  /** What an OCI image says is to be run in it. */
  readonly entry?: ImageEntry;
}

/** The fields that are about Linux and its root, and not the core's. */
const ROOT_FIELDS = [
  "rootSize",
  "rootReadonly",
  "kernelModules",
  "hostname",
] as const satisfies readonly (keyof StartConfig)[];

/** The devices of a configuration that a guest needs a driver for, by the names that `guestFiles` has for them. */
const DRIVERS = {
  disks: "disk",
  nets: "net",
  rng: "rng",
  balloon: "balloon",
  ports: "console",
} as const satisfies Partial<Record<keyof MachineConfig, string>>;

/**
 * Makes ready what a machine needs beside its configuration: with a root file system, everything that Linux boots from
 * and a way to its agent.
 *
 * @throws {TypeError} for fields that mean nothing together
 * @throws {RootfsError} for what can't be found, fetched or built
 * @throws {FolderError} the folder for the sockets of machines is not the user's alone
 */
export async function prepare(config: StartConfig, options: StartOptions): Promise<Prepared> {
  const { onReset = "end", disks, ...others } = config;
  const rest = disks === undefined ? others : { ...others, disks: disks.map(diskOf) };
  const { kernel } = rest;
  const rootfs = rootOf(config);
  if (rootfs === undefined) {
    return { config: plain(rest), onReset, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const {
    rootSize,
    rootReadonly,
    kernelModules,
    hostname,
    rootfs: _root,
    kernel: _kernel,
    ...core
  } = rest;
  if (typeof kernel === "object" && "bytes" in kernel) {
    throw new TypeError("kernel: with a rootfs it is a file, whose modules can be found");
  }
  if (core.initrd !== undefined) {
    throw new TypeError("initrd: a rootfs brings one of its own; leave one of the two out");
  }
  // Whoever starts no Linux loads nothing of this.
  const { guestFiles } = await import("../rootfs/mod.ts");
  await using stack = new AsyncDisposableStack();
  const files = stack.use(
    await guestFiles({
      kernel,
      rootfs,
      size: rootSize === undefined ? undefined : bytesOf(rootSize),
      readonly: rootReadonly,
      modules: kernelModules,
      transport: core.transport,
      devices: driversOf(core),
      hostname,
    }, { signal: options.signal, onProgress: options.onProgress }),
  );
  const vsock = await vsockOf(core, stack, options.signal);
  const all = stack.move();
  return {
    config: { ...core, ...bootOf(files, core), vsock: vsock.field },
    onReset,
    agent: vsock.path,
    entry: files.entry,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** The root file system; undefined for a machine that boots a kernel of its user's alone. */
function rootOf({ kernel, rootfs }: StartConfig): RootfsSource | undefined {
  if (rootfs !== undefined) return rootfs === "busybox" ? { busybox: true } : rootfs;
  return kernel === undefined || isFound(kernel) ? { busybox: true } : undefined;
}

/** Whether a kernel has to be found first. */
function isFound(kernel: StartConfig["kernel"]): kernel is KernelSource {
  return typeof kernel === "object" && !("bytes" in kernel);
}

/** A disk as the core has it. */
function diskOf(disk: Disk | { readonly size: number | string }): Disk {
  return typeof disk === "object" && "size" in disk ? { memory: disk.size } : disk;
}

/** A configuration that the core takes as it is. */
function plain(config: CoreConfig & Omit<StartConfig, "disks">): MachineConfig {
  const { kernel, ...core } = config;
  for (const field of ROOT_FIELDS) {
    if (core[field] !== undefined) {
      throw new TypeError(`${field}: it is for a machine with a rootfs`);
    }
  }
  if (kernel === undefined || isFound(kernel)) throw new TypeError("kernel: it needs a rootfs");
  return { ...core, kernel };
}

/** What the guest boots from, as the core's fields. */
function bootOf(files: GuestFiles, core: CoreConfig): MachineConfig {
  const console = `console=${linuxConsole(core.console)}`;
  return {
    rng: true,
    ...core,
    kernel: files.kernel,
    initrd: files.initrd,
    disks: [...files.disks, ...core.disks ?? []],
    cmdline: [console, files.cmdline, core.cmdline].filter(Boolean).join(" "),
  };
}

function driversOf(core: CoreConfig): GuestDevices {
  const fields = Object.keys(DRIVERS) as (keyof typeof DRIVERS)[];
  const wanted = fields.filter((field) => core[field] !== undefined).map((field) => DRIVERS[field]);
  const console = core.console === "virtio" ? ["console" as const] : [];
  return [...new Set(["vsock" as const, "rng" as const, ...wanted, ...console])];
}

type GuestDevices = GuestFilesConfig["devices"];

/**
 * The socket device by which the agent is reached: the user's own, or one in a folder that ends with the machine. What
 * killed machines have left goes with the next one.
 */
async function vsockOf(
  { vsock }: CoreConfig,
  stack: AsyncDisposableStack,
  signal: AbortSignal | undefined,
): Promise<{ field: MachineConfig["vsock"]; path: string }> {
  if (vsock !== undefined) {
    const path = typeof vsock === "object" ? vsock.uds : undefined;
    if (typeof path !== "string") {
      throw new TypeError("vsock: with a rootfs it is an object with the path `uds`");
    }
    return { field: vsock, path };
  }
  const sockets = new OwnFolder("denovisor-vsock", "the folder of the guests' agents");
  sockets.ensure();
  const { path: folder } = stack.use(await holdFolder(sockets.path, "machine-", signal));
  const path = join(folder, "vsock");
  return { field: { uds: path }, path };
}

function bytesOf(size: number | string): number {
  const bytes = typeof size === "number" ? size : parseSize(size);
  if (bytes === undefined) throw new TypeError(`rootSize: "${size}" is no size, such as 2G`);
  return bytes;
}

/** Whether what a machine boots is surely a stock kernel, and not a small program of somebody's own. */
export function needsLinux(config: StartConfig): boolean {
  return rootOf(config) !== undefined || config.initrd !== undefined;
}
