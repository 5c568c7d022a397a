/**
 * What can go wrong with KVM beyond a failed call ({@linkcode SysError}).
 * @module
 */
import { EACCES, EBUSY, ENODEV, ENOENT, ENOTTY, ENXIO, EPERM, SysError } from "../ffi/errno.ts";

/** Why KVM can't be used. */
export type KvmUnavailableReason =
  | "missing"
  | "permission"
  | "no-hardware"
  | "not-kvm"
  | "version"
  | "busy"
  | "other";

/** This host can't run virtual machines with KVM. The message tells why and what helps. */
export class KvmUnavailableError extends Error {
  /** `"KvmUnavailableError"`. */
  override readonly name = "KvmUnavailableError";

  /** An error whose message is the problem and the remedy. */
  constructor(
    /** Why, for programs. */
    readonly reason: KvmUnavailableReason,
    /** The path of KVM's device, such as `"/dev/kvm"`. */
    readonly path: string,
    problem: string,
    /** What the user can do about it. */
    readonly remedy: string,
    options?: ErrorOptions,
  ) {
    super(`${problem}; ${remedy}`, options);
  }
}

const LOAD = "load the module (modprobe kvm_intel, or kvm_amd) and enable virtualization in the " +
  "firmware; in a container, pass the device (--device /dev/kvm); in a virtual machine, its host " +
  "must allow nested virtualization";

/** The error for a failure to open `path`, whatever was thrown. */
export function explainOpen(path: string, cause: unknown): unknown {
  if (!(cause instanceof SysError)) return cause;
  const unavailable = (reason: KvmUnavailableReason, problem: string, remedy: string) =>
    new KvmUnavailableError(reason, path, problem, remedy, { cause });
  switch (cause.errno) {
    case ENOENT:
      return unavailable("missing", `there is no ${path}`, LOAD);
    case EACCES:
    case EPERM:
      return unavailable(
        "permission",
        `no permission to open ${path}`,
        "join the group that owns it (sudo usermod -aG kvm $USER) and log in again",
      );
    case ENODEV:
    case ENXIO:
      return unavailable("no-hardware", `${path} has no KVM behind it`, LOAD);
    default:
      return unavailable("other", cause.message, "see the host's kernel log (dmesg)");
  }
}

/** The error for a descriptor that does not answer as KVM does, whatever was thrown. */
export function explainNotKvm(path: string, cause: unknown): unknown {
  if (!(cause instanceof SysError) || cause.errno !== ENOTTY) return cause;
  const problem = `${path} is not KVM's device`;
  return new KvmUnavailableError("not-kvm", path, problem, "KVM's is /dev/kvm", { cause });
}

/** The error for a failure to create a virtual machine, whatever was thrown. */
export function explainCreateVm(path: string, cause: unknown): unknown {
  if (!(cause instanceof SysError) || cause.errno !== EBUSY) return cause;
  const problem = "another hypervisor holds the processor's virtualization";
  const remedy = "stop it (VirtualBox, VMware) or unload its module";
  return new KvmUnavailableError("busy", path, problem, remedy, { cause });
}

/** KVM did not take, or give, a model-specific register. */
export class MsrError extends Error {
  /** `"MsrError"`. */
  override readonly name = "MsrError";

  /** An error that names the register and the descriptor. */
  constructor(
    /** The register's number. */
    readonly index: number,
    /** How many registers before it in the list were taken or given. */
    readonly done: number,
    verb: "read" | "written",
    what: string,
  ) {
    super(`${what}: MSR 0x${index.toString(16)} can't be ${verb}`);
  }
}
