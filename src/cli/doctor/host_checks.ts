/**
 * What some machines use of the host beside KVM: networking, vhost, io_uring, huge pages, namespaces.
 * @module
 */
import { Fd, O_RDWR, probeIoUring, SysError } from "../../ffi/mod.ts";
import { type Check, messageOfThrown } from "./check.ts";

/** What the checks look at, so that tests can show them other hosts. */
export interface HostView {
  /** The text of a small file, or undefined where it can't be read. */
  read(path: string): string | undefined;
  /** Opens a device for reading and writing, and closes it. @throws {SysError} */
  open(path: string): void;
  /** @throws {SysError} */
  probeIoUring(): void;
  /** Whether a process could enter a user namespace of its own; undefined where it can't be tried. */
  tryUserNamespace(): Promise<boolean | undefined>;
}

/** This host. */
export const thisHost: HostView = {
  read(path) {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return undefined;
    }
  },
  open: (path) => Fd.open(path, O_RDWR).close(),
  probeIoUring,
  async tryUserNamespace() {
    try {
      const options: Deno.CommandOptions = { stdout: "null", stderr: "null" };
      const unshare = new Deno.Command("unshare", { ...options, args: ["--user", "true"] });
      return (await unshare.output()).success;
    } catch {
      return undefined;
    }
  },
};

/** All checks of this file, in the order of the report. */
export async function hostChecks(host: HostView): Promise<Check[]> {
  return [
    ioUring(host),
    device(host, "tap", "/dev/net/tun", "tap networking", "modprobe tun"),
    device(host, "vhost-net", "/dev/vhost-net", "networking in the kernel", "modprobe vhost_net"),
    device(host, "vhost-vsock", "/dev/vhost-vsock", "sockets to guests", "modprobe vhost_vsock"),
    reservedHugePages(host),
    transparentHugePages(host),
    await userNamespaces(host),
    cgroups(host),
  ];
}

function optional(name: string, there: boolean, detail: string, remedy?: string): Check {
  const finding = { area: "host", name, status: there ? "ok" : "absent", detail } as const;
  return there || remedy === undefined ? finding : { ...finding, remedy };
}

function ioUring(host: HostView): Check {
  const name = "io_uring";
  try {
    host.probeIoUring();
    return optional(name, true, "usable");
  } catch (error) {
    const disabled = host.read("/proc/sys/kernel/io_uring_disabled")?.trim();
    const remedy = disabled !== undefined && disabled !== "0"
      ? `sysctl kernel.io_uring_disabled=0 (it is ${disabled})`
      : "needs Linux 5.4 and, in a container, a seccomp profile that allows io_uring_setup";
    return optional(name, false, messageOfThrown(error), remedy);
  }
}

function device(host: HostView, name: string, path: string, use: string, load: string): Check {
  try {
    host.open(path);
    return optional(name, true, `${path} opens`);
  } catch (error) {
    const code = error instanceof SysError ? error.code : messageOfThrown(error);
    const detail = `${path} for ${use}: ${code}`;
    if (code === "EACCES" || code === "EPERM") {
      return optional(name, false, detail, `run as root, or give your user access to ${path}`);
    }
    return optional(name, false, detail, `${load}; in a container, --device ${path}`);
  }
}

function reservedHugePages(host: HostView): Check {
  const name = "huge pages (2M)";
  const base = "/sys/kernel/mm/hugepages/hugepages-2048kB";
  const total = Number(host.read(`${base}/nr_hugepages`) ?? Number.NaN);
  if (Number.isNaN(total)) return optional(name, false, "this kernel has none of 2 MiB");
  if (total === 0) {
    const remedy = "sysctl vm.nr_hugepages=N reserves N pages of 2 MiB for --huge-pages 2M";
    return optional(name, false, "none reserved", remedy);
  }
  const free = Number(host.read(`${base}/free_hugepages`) ?? 0);
  return optional(name, true, `${total} reserved, ${free} free`);
}

function transparentHugePages(host: HostView): Check {
  const name = "transparent huge pages";
  const path = "/sys/kernel/mm/transparent_hugepage/enabled";
  const setting = /\[(\w+)\]/.exec(host.read(path) ?? "")?.[1];
  if (setting === undefined) return optional(name, false, "this kernel has none");
  const remedy = `echo madvise > ${path}, for --huge-pages transparent`;
  return optional(name, setting !== "never", setting, remedy);
}

async function userNamespaces(host: HostView): Promise<Check> {
  const name = "user namespaces";
  const most = host.read("/proc/sys/user/max_user_namespaces")?.trim();
  if (most === undefined) return optional(name, false, "this kernel has none");
  if (most === "0") {
    return optional(name, false, "switched off", "sysctl user.max_user_namespaces=10000");
  }
  const entered = await host.tryUserNamespace();
  if (entered === undefined) return optional(name, true, `up to ${most} (not tried: no unshare)`);
  if (entered) return optional(name, true, "can be entered");
  const settings = ["unprivileged_userns_clone=1", "apparmor_restrict_unprivileged_userns=0"]
    .filter((setting) => host.read(`/proc/sys/kernel/${setting.split("=")[0]}`) !== undefined);
  const remedy = settings.length === 0
    ? "a container's seccomp profile may forbid them"
    : settings.map((setting) => `sysctl kernel.${setting}`).join(", ");
  return optional(name, false, "can't be entered", remedy);
}

function cgroups(host: HostView): Check {
  const controllers = host.read("/sys/fs/cgroup/cgroup.controllers")?.trim();
  if (controllers === undefined) {
    return optional(
      "cgroup v2",
      false,
      "not mounted at /sys/fs/cgroup",
      "boot the host with systemd.unified_cgroup_hierarchy=1",
    );
  }
  return optional("cgroup v2", true, controllers === "" ? "no controllers" : controllers);
}
