/**
 * What a guest can do in a machine: privilege levels, processors, interrupts, memory.
 * @module
 */
import assert from "node:assert/strict";
import { type Outcome, runPayload, testDirect } from "./payload_machine.ts";

const GIB = 2 ** 30;

/** A payload's expected end. */
function ends({ end, console }: Outcome, status: number): void {
  assert.deepEqual(end, { kind: "exit", status }, console);
}

testDirect(
  "CPL 3 runs loops, port I/O and MMIO, and is interrupted to CPL 0 and back",
  async () => {
    const outcome = await runPayload("cpl3");
    ends(outcome, 3);
    assert.equal(outcome.console, "at CPL 3\nafter a loop\nback at CPL 0\ninterrupted\n");
  },
);

/** The APIC ids that the processors print, in the order of their coming. */
function processors(console: string): number[] {
  assert.match(console, /\nall online\n$/);
  return [...console.matchAll(/^cpu ([0-9a-f]{8})$/gm)].map(([, id]) => parseInt(id, 16));
}

for (const cpus of [2, 4, 16]) {
  const everyone = Array.from({ length: cpus }, (_, id) => id);
  testDirect(
    `${cpus} processors start by a broadcast of INIT and SIPI, each with its own id`,
    async () => {
      const outcome = await runPayload("smp", { cpus }, {
        format: "elf32",
        defines: { CPUS: cpus },
      });
      ends(outcome, 20);
      assert.deepEqual(processors(outcome.console).sort((a, b) => a - b), everyone);
    },
  );
  testDirect(
    `${cpus} processors start one by one through the x2APIC, in the order of the calls`,
    async () => {
      const defines = { CPUS: cpus, X2APIC: 1 };
      const outcome = await runPayload("smp", { cpus }, { format: "elf32", defines });
      ends(outcome, 20);
      assert.deepEqual(processors(outcome.console), everyone);
    },
  );
}

for (const [way, defines] of [["the PIC", {}], ["the I/O APIC", { IOAPIC_PIN: 0 }]] as const) {
  testDirect(`the PIT's ticks wake HLT through ${way}`, async () => {
    const outcome = await runPayload("pit", {}, { defines });
    ends(outcome, 10);
    assert.equal(outcome.console, "ticks\n");
  });
}

testDirect("the local APIC's timer wakes HLT, once and periodically", async () => {
  const outcome = await runPayload("lapic_timer");
  ends(outcome, 11);
  assert.equal(outcome.console, "once\nperiodic\n");
});

testDirect("RAM goes on above 4 GiB, and both its ends keep what is written there", async () => {
  const defines = { HIGH: 3 * GIB };
  const outcome = await runPayload("high_memory", { memory: 6 * GIB }, { defines });
  ends(outcome, 40);
});

testDirect("RAM above 4 GiB can be smaller than a huge page", async () => {
  const size = 4096;
  const outcome = await runPayload("high_memory", { memory: 3 * GIB + size }, {
    defines: { HIGH: size },
  });
  ends(outcome, 40);
});

testDirect("addresses and ports that nobody claims read as all ones in every size", async () => {
  const RAM_END = 32 << 20;
  const outcome = await runPayload("unclaimed", { memory: RAM_END }, { defines: { RAM_END } });
  ends(outcome, 50);
  assert.equal(outcome.console, "all ones\n");
});
