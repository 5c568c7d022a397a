/**
 * What the doctor asks KVM itself.
 * @module
 */
import { Kvm, KVM_CAP, KvmUnavailableError } from "../../kvm/mod.ts";
import { capabilityChecks } from "./capabilities.ts";
import { type Check, messageOfThrown } from "./check.ts";
import type { ProbeResult } from "../../machine/probe/probe.ts";

/** KVM's own checks: its device, its capabilities, and what a guest could execute. */
export function kvmChecks(probe: ProbeResult): Check[] {
  let kvm: Kvm;
  try {
    kvm = Kvm.open();
  } catch (error) {
    return [failure(error instanceof KvmUnavailableError ? error.path : "/dev/kvm", error)];
  }
  using _close = kvm;
  const version = kvm.getApiVersion();
  return [
    { area: "KVM", name: kvm.path, status: "ok", detail: "opens for reading and writing" },
    { area: "KVM", name: "API version", status: "ok", detail: `${version}` },
    vcpus((capability) => kvm.checkExtension(capability)),
    virtualMachine(kvm),
    ...capabilityChecks((capability) => kvm.checkExtension(capability)),
    ...guestChecks(probe),
  ];
}

/** A failure of KVM as a finding; what went wrong and what helps are told apart. */
function failure(name: string, error: unknown): Check {
  const check = { area: "KVM", name, status: "missing" } as const;
  if (!(error instanceof KvmUnavailableError)) return { ...check, detail: messageOfThrown(error) };
  const { message, remedy } = error;
  return { ...check, detail: message.replace(`; ${remedy}`, ""), remedy };
}

/** KVM's promise where it does not tell (Documentation/virt/kvm/api.rst, 4.4 and 4.7). */
const VCPUS_WHEN_UNTOLD = 4;

function vcpus(supports: (capability: number) => number): Check {
  const recommended = supports(KVM_CAP.NR_VCPUS) || VCPUS_WHEN_UNTOLD;
  const most = supports(KVM_CAP.MAX_VCPUS) || recommended;
  const detail = `at most ${most} in a machine, ${recommended} recommended`;
  return { area: "KVM", name: "vCPUs", status: "ok", detail };
}

/** Another hypervisor can hold the processor; that shows only here. */
function virtualMachine(kvm: Kvm): Check {
  const name = "virtual machine";
  try {
    kvm.createVm()[Symbol.dispose]();
    return { area: "KVM", name, status: "ok", detail: "can be created" };
  } catch (error) {
    return failure(name, error);
  }
}

const REMEDY =
  "this KVM interprets the guest's kernel mode; use a host whose processor virtualizes " +
  "(or nests) in hardware";

/** The probe's results as findings. */
export function guestChecks({ instructions, problem }: ProbeResult): Check[] {
  if (problem !== undefined) {
    return [{ area: "guest", name: "probe", status: "missing", detail: problem }];
  }
  return instructions.map(({ instruction, status, detail }) => {
    const check = { area: "guest", name: instruction, detail } as const;
    if (status === "works" || status === "not-offered") return { ...check, status: "ok" };
    return { ...check, status: "missing", remedy: REMEDY };
  });
}
