/**
 * x86-64 as a machine sees it: the steps of this folder, behind the door that all architectures share.
 * @module
 */
import { type Kvm, KVM_CAP, type KvmCpuidEntry2 } from "../../kvm/mod.ts";
import type { Architecture, PluggedDevices } from "../architecture.ts";
import { POWER_REGISTERS } from "./acpi/mod.ts";
import { attachedX86 } from "./attached.ts";
import type { BootImage } from "./boot_image.ts";
import type { BootState } from "./boot_registers.ts";
import { apicIds, physicalAddressBits } from "./cpuid/mod.ts";
import { createInterruptController } from "./interrupt_controller.ts";
import { HIGH_MEMORY_START, maximumRam, ramRanges, reservedRanges } from "./memory_map.ts";
import {
  acpiDevices,
  platformDevices,
  RTC_CENTURY,
  userDevices,
  virtioMmioDevices,
} from "./platform.ts";
import {
  CONFIG_PORT,
  fixedRoutes,
  pci,
  userPlaces,
  virtioMmioParameters,
  virtioMmioPlaces,
} from "./plugging.ts";
import { configureBoot, configureVcpu } from "./setup.ts";

/** Where flat images go: where a BIOS puts a boot sector, and the first byte above 1 MiB. */
const FLAT_ADDRESS = { 16: 0x7c00, 32: HIGH_MEMORY_START, 64: HIGH_MEMORY_START } as const;

/** What was asked of each open /dev/kvm: it always says the same, and a boot wants to know it three times. */
const cpuids = new WeakMap<Kvm, readonly KvmCpuidEntry2[]>();

function supportedCpuid(kvm: Kvm): readonly KvmCpuidEntry2[] {
  const known = cpuids.get(kvm);
  if (known !== undefined) return known;
  const leaves = kvm.getSupportedCpuid();
  cpuids.set(kvm, leaves);
  return leaves;
}

const NOTHING: PluggedDevices = { virtioMmio: [], pci: false };

/** The x86-64 architecture. */
export const x86_64: Architecture<BootImage, BootState> = {
  ...attachedX86,
  name: "x86_64",
  serialConsole: "ttyS0",
  ramRanges,
  platformDevices,
  virtioMmioPlaces,
  virtioMmioParameters,
  pci,
  userPlaces,
  fixedRoutes,

  maximumRam: (kvm) => maximumRam(physicalAddressBits(supportedCpuid(kvm))),

  vcpuIds: (cpus) => apicIds({ count: cpus }),

  createInterruptController: (vm, cpus) =>
    createInterruptController(vm, Math.max(...apicIds({ count: cpus }))),

  reservedRanges: (protocol, mode) =>
    reservedRanges(protocol === "flat" ? `flat${mode}` : protocol)
      .map(({ name, base, size }) => ({ start: base, end: base + size, what: name })),

  flatAddress: (mode) => FLAT_ADDRESS[mode],

  writeBootData: (kvm, memory, image, cpus, { virtioMmio, pci: hasPci, user = [] } = NOTHING) =>
    configureBoot(memory, {
      image,
      topology: { count: cpus },
      supportedCpuid: supportedCpuid(kvm),
      devices: [...acpiDevices, ...virtioMmioDevices(virtioMmio), ...userDevices(user)],
      pci: hasPci ? { ...pci, configPort: CONFIG_PORT } : undefined,
      power: POWER_REGISTERS,
      rtcCentury: RTC_CENTURY,
    }),

  configureVcpus(kvm, vcpus, bootState) {
    const supported = supportedCpuid(kvm);
    const tscDeadlineTimer = kvm.checkExtension(KVM_CAP.TSC_DEADLINE_TIMER) > 0;
    const notes = new Set<string>();
    for (const [index, vcpu] of vcpus.entries()) {
      const skipped = configureVcpu(vcpu, {
        supportedCpuid: supported,
        topology: { count: vcpus.length },
        index,
        tscKhz: vcpu.getTscKhz(),
        tscDeadlineTimer,
        bootState: index === 0 ? bootState : undefined,
      });
      for (const { name, because } of skipped) notes.add(`this host refuses ${name}: ${because}`);
    }
    return [...notes];
  },
};
