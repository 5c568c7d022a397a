/**
 * What of x86-64 the isolate of a vCPU needs: it attaches to what another one has made and set up.
 * @module
 */
import { describeExit } from "../../kvm/exit.ts";
import { Vcpu } from "../../kvm/vcpu.ts";
import type { X86VcpuSpec } from "../../kvm/vcpu_registers.ts";
import { Vm } from "../../kvm/vm.ts";
import type { AttachedArchitecture } from "../architecture.ts";

/** The x86-64 architecture for vCPUs. */
export const attachedX86: AttachedArchitecture = {
  attachVm: (spec) => Vm.attach(spec),

  attachVcpu: (spec) => Vcpu.attach(spec as X86VcpuSpec),

  describeExit(vcpu, memory) {
    const read = (address: number, length: number) =>
      memory.isRam(address, length) ? memory.readBytes(address, length) : undefined;
    return describeExit(vcpu, read).text.split("\n");
  },
};
