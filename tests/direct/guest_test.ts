/**
 * What a guest can do in a machine: privilege levels, processors, interrupts, memory.
 * @module
 */
import assert from "node:assert/strict";
import { exits } from "../../src/cli/self_test/judges/ends.ts";
import { allProcessors, processorsOnline } from "../../src/cli/self_test/judges/processors.ts";
import { judgePayload, testDirect } from "./payload_machine.ts";

const GIB = 2 ** 30;

testDirect("CPL 3 runs loops, port I/O and MMIO, and is interrupted to CPL 0 and back", () => {
  return judgePayload(exits(3, "at CPL 3\nafter a loop\nback at CPL 0\ninterrupted\n"), "cpl3");
});

for (const cpus of [2, 4, 16]) {
  const everyone = Array.from({ length: cpus }, (_, id) => id);
  testDirect(
    `${cpus} processors start by a broadcast of INIT and SIPI, each with its own id`,
    () =>
      judgePayload(allProcessors(cpus), "smp", { cpus }, {
        format: "elf32",
        defines: { CPUS: cpus },
      }),
  );
  testDirect(
    `${cpus} processors start one by one through the x2APIC, in the order of the calls`,
    async () => {
      const defines = { CPUS: cpus, X2APIC: 1 };
      await judgePayload(
        async (machine) => assert.deepEqual(await processorsOnline(machine), everyone),
        "smp",
        { cpus },
        { format: "elf32", defines },
      );
    },
  );
}

for (const [way, defines] of [["the PIC", {}], ["the I/O APIC", { IOAPIC_PIN: 0 }]] as const) {
  testDirect(`the PIT's ticks wake HLT through ${way}`, () => {
    return judgePayload(exits(10, "ticks\n"), "pit", {}, { defines });
  });
}

testDirect("the local APIC's timer wakes HLT, once and periodically", () => {
  return judgePayload(exits(11, "once\nperiodic\n"), "lapic_timer");
});

testDirect("RAM goes on above 4 GiB, and both its ends keep what is written there", () => {
  const defines = { HIGH: 3 * GIB };
  return judgePayload(exits(40, "both ends\n"), "high_memory", { memory: 6 * GIB }, { defines });
});

testDirect("RAM above 4 GiB can be smaller than a huge page", () => {
  const size = 4096;
  const config = { memory: 3 * GIB + size };
  return judgePayload(exits(40, "both ends\n"), "high_memory", config, { defines: { HIGH: size } });
});

testDirect("addresses and ports that nobody claims read as all ones in every size", () => {
  const RAM_END = 32 << 20;
  const config = { memory: RAM_END };
  return judgePayload(exits(50, "all ones\n"), "unclaimed", config, { defines: { RAM_END } });
});
