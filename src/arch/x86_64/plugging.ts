/**
 * Where devices are plugged into an x86-64 machine: places for virtio-mmio devices, the PCI bus, and the routes
 * of the interrupts that lead there.
 *
 * A machine plugs its virtio devices in by one of the two transports: from pin 16 on both use the same pins,
 * virtio-mmio with edges and PCI with levels.
 *
 * @module
 */
import { KVM_IRQ_ROUTING, KVM_IRQCHIP } from "../../kvm/mod.ts";
import type { GsiRoute, PciPlaces, UserPlaces, VirtioMmioPlace } from "../architecture.ts";
import {
  IOAPIC,
  KVM_IDENTITY_MAP,
  KVM_TSS,
  LAPIC,
  MESSAGES,
  type NamedRange,
  PCI_ECAM,
  PCI_MMIO32,
  USER_MMIO,
  VIRTIO_MMIO,
  VIRTIO_MMIO_WINDOW,
} from "./memory_map.ts";

/** The pins of the I/O APIC; the GSIs behind them are free for messages. */
export const IO_APIC_PINS = 24;
/** The interrupts of the ISA bus, which lead to the 8259s as well. */
const ISA_INTERRUPTS = 16;
/** The inputs of each 8259. */
const PIC_INPUTS = 8;
/** The first pin that is no ISA interrupt; from here on there are PCI's. */
export const FIRST_PCI_PIN = ISA_INTERRUPTS;

/**
 * The ISA interrupts that no device of this machine and none that kernels probe for has: not the timer (0), the
 * keyboard (1), the cascade (2), serial ports (3, 4), the RTC (8), the mouse (12) and the FPU (13).
 */
const FREE_ISA_INTERRUPTS = [5, 6, 7, 9, 10, 11, 14, 15];

const pciPins = Array.from({ length: IO_APIC_PINS - FIRST_PCI_PIN }, (_, i) => FIRST_PCI_PIN + i);

/** The places of virtio-mmio devices. */
export const virtioMmioPlaces: readonly VirtioMmioPlace[] = [...FREE_ISA_INTERRUPTS, ...pciPins]
  .map((gsi, i) => ({
    base: VIRTIO_MMIO.base + i * VIRTIO_MMIO_WINDOW,
    size: VIRTIO_MMIO_WINDOW,
    gsi,
  }));

/** `virtio_mmio.device=4K@0xf0000000:5 ...` (Linux, drivers/virtio/virtio_mmio.c). */
export function virtioMmioParameters(places: readonly VirtioMmioPlace[]): string {
  return places
    .map(({ base, size, gsi }) =>
      `virtio_mmio.device=${size / 1024}K@0x${base.toString(16)}:${gsi}`
    )
    .join(" ");
}

/** The first port of configuration mechanism #1 (PCI 3.0, 3.2.2.3.2). */
export const CONFIG_PORT = 0xcf8;

/** The PCI bus. */
export const pci: PciPlaces = {
  ecam: { base: PCI_ECAM.base, size: PCI_ECAM.size },
  configPort: CONFIG_PORT,
  window: { base: PCI_MMIO32.base, size: PCI_MMIO32.size },
  messages: { base: MESSAGES.base, size: MESSAGES.size },
  firstMessageGsi: IO_APIC_PINS,
  pinGsi: (device) => FIRST_PCI_PIN + device % pciPins.length,
};

/** Ports at which KVM answers: 8259s with their edge/level registers, the 8254 and its speaker port. */
const KVM_PORTS: readonly NamedRange[] = [
  { name: "the interrupt controller", base: 0x20, size: 2 },
  { name: "the timer", base: 0x40, size: 4 },
  { name: "the timer", base: 0x61, size: 1 },
  { name: "the interrupt controller", base: 0xa0, size: 2 },
  { name: "the interrupt controller", base: 0x4d0, size: 2 },
];

/** Where users' devices go: the ISA interrupts from the other end than virtio-mmio devices. */
export const userPlaces: UserPlaces = {
  ports: { base: 0xe00, size: 0x100 },
  mmio: { base: USER_MMIO.base, size: USER_MMIO.size },
  interrupts: FREE_ISA_INTERRUPTS.toReversed(),
  claimed: [
    ...KVM_PORTS.map((range) => ({ ...range, space: "pio" as const })),
    ...[IOAPIC, LAPIC, KVM_IDENTITY_MAP, KVM_TSS]
      .map((range) => ({ ...range, name: `the ${range.name}`, space: "mmio" as const })),
  ],
};

/**
 * KVM's default routes (arch/x86/kvm/irq_comm.c): each GSI to the I/O APIC's pin of its number, those of the ISA
 * bus to the 8259s too.
 */
export const fixedRoutes: readonly GsiRoute[] = Array.from({ length: IO_APIC_PINS }, (_, gsi) => {
  const routes = [route(gsi, KVM_IRQCHIP.IOAPIC, gsi)];
  if (gsi < PIC_INPUTS) routes.push(route(gsi, KVM_IRQCHIP.PIC_MASTER, gsi));
  else if (gsi < ISA_INTERRUPTS) {
    routes.push(route(gsi, KVM_IRQCHIP.PIC_SLAVE, gsi - PIC_INPUTS));
  }
  return routes;
}).flat();

function route(gsi: number, irqchip: number, pin: number): GsiRoute {
  return { gsi, type: KVM_IRQ_ROUTING.IRQCHIP, u: { irqchip: { irqchip, pin } } };
}
