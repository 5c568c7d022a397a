import assert from "node:assert/strict";
import { Kvm, KVM_IRQCHIP } from "../../kvm/mod.ts";
import { kvmTest } from "../../kvm/test_guest.ts";
import { VIRTIO_MMIO } from "./memory_map.ts";
import {
  fixedRoutes,
  pci,
  userPlaces,
  virtioMmioParameters,
  virtioMmioPlaces,
} from "./plugging.ts";
import { platformDevices } from "./platform.ts";

Deno.test("each virtio-mmio place has a page and an interrupt of its own, away from legacy devices", () => {
  assert.equal(virtioMmioPlaces.length, 16);
  assert.equal(new Set(virtioMmioPlaces.map(({ gsi }) => gsi)).size, 16);
  for (const [i, { base, size, gsi }] of virtioMmioPlaces.entries()) {
    assert.deepEqual([base, size], [VIRTIO_MMIO.base + i * 4096, 4096]);
    assert.ok(gsi < 24 && ![0, 1, 2, 3, 4, 8, 12, 13].includes(gsi), `GSI ${gsi}`);
  }
});

Deno.test("the parameters for Linux name size, address and interrupt of each place", () => {
  assert.equal(
    virtioMmioParameters(virtioMmioPlaces.slice(0, 2)),
    "virtio_mmio.device=4K@0xf0000000:5 virtio_mmio.device=4K@0xf0001000:6",
  );
});

Deno.test("PCI interrupt pins are spread over those that ISA does not have", () => {
  const gsis = Array.from({ length: 31 }, (_, i) => pci.pinGsi(i + 1));
  assert.deepEqual([...new Set(gsis)].sort(), [16, 17, 18, 19, 20, 21, 22, 23]);
  assert.equal(pci.firstMessageGsi, 24);
});

Deno.test("users' devices have ports, addresses and interrupts that no device of every machine has", () => {
  const { ports, mmio, interrupts, claimed } = userPlaces;
  const windows = [{ ...ports, space: "pio" }, { ...mmio, space: "mmio" }];
  for (const { space, base, size } of windows) {
    for (const other of claimed.filter((range) => range.space === space)) {
      assert.ok(other.base + other.size <= base || base + size <= other.base, other.name);
    }
  }
  const irqs = platformDevices([]).map(({ irq }) => irq);
  for (const gsi of interrupts) assert.ok(gsi < 16 && !irqs.includes(gsi), `GSI ${gsi}`);
  // Those that virtio-mmio devices take last.
  assert.equal(interrupts[0], Math.max(...virtioMmioPlaces.slice(0, 8).map(({ gsi }) => gsi)));
});

kvmTest("KVM takes the fixed routes, and they lead where its own did", () => {
  using kvm = Kvm.open();
  // What the inputs of the I/O APIC and the 8259s show when a line is raised tells where its route leads.
  const inputs = (routes?: typeof fixedRoutes) => {
    using vm = kvm.createVm();
    vm.createIrqchip();
    if (routes !== undefined) vm.setGsiRouting(routes);
    return Array.from({ length: 24 }, (_, gsi) => {
      vm.irqLine(gsi, true);
      const { irr } = vm.getIrqchip(KVM_IRQCHIP.IOAPIC).chip.ioapic;
      const pics = [KVM_IRQCHIP.PIC_MASTER, KVM_IRQCHIP.PIC_SLAVE].map((chip) =>
        vm.getIrqchip(chip).chip.pic.irr
      );
      vm.irqLine(gsi, false);
      return { irr, pics };
    });
  };
  const own = inputs();
  assert.deepEqual(inputs(fixedRoutes), own);
  assert.notDeepEqual(inputs(fixedRoutes.slice(0, -1)), own);
  assert.notDeepEqual(inputs(fixedRoutes.slice(2)), own);
});
