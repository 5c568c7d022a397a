/**
 * What a stock kernel makes of the firmware tables, the clock and the serial port.
 * @module
 */
import assert from "node:assert/strict";
import { bootGuest, guestTest } from "./boot.ts";

guestTest(
  "a stock kernel has nothing to complain of in the tables, CPUID or the clocks",
  async () => {
    const { text, end } = await bootGuest({
      cpus: 2,
      guest: {},
    });
    assert.deepEqual(end, { kind: "exit", status: 0 }, text);
    const complaints = text.split("\n").filter((line) =>
      /ACPI (BIOS )?(Error|Warning|Exception)|\[Firmware (Bug|Warn|Info)\]|BIOS bug|MP-BIOS|mptable.*(bad|invalid)|unchecked MSR|WARNING:|Call Trace|TSC: unable|APIC.*(error|failed)|no IRQ handler|spurious/i
        .test(line)
    );
    assert.deepEqual(complaints, []);
    assert.match(text, /ACPI: RSDP 0x00000000000E0000/);
    assert.match(text, /ttyS0 at I\/O 0x3f8 \(irq = \d+, base_baud = 115200\) is a 16550A/);
    assert.match(text, /Hypervisor detected: KVM/);
    assert.match(text, /kvm-clock: Using msrs/);
    assert.match(text, /smp: Brought up 1 node, 2 CPUs/);
  },
);

guestTest("the guest's clock has the host's time", async () => {
  const before = Math.floor(Date.now() / 1000);
  const { text } = await bootGuest({
    guest: { command: "echo rtc=$(cat /sys/class/rtc/rtc0/since_epoch); echo now=$(date +%s)" },
  });
  const after = Math.ceil(Date.now() / 1000);
  for (const name of ["rtc", "now"]) {
    const seconds = Number(new RegExp(`^${name}=(\\d+)$`, "m").exec(text)?.[1]);
    assert(
      seconds >= before - 1 && seconds <= after + 1,
      `${name}: ${seconds} not in ${before}..${after}`,
    );
  }
});

guestTest("without ACPI the kernel finds its processors in the MP table", async () => {
  const { text, end } = await bootGuest({
    // The cloud flavour is built without CONFIG_X86_MPPARSE.
    flavour: "generic",
    cpus: 2,
    cmdline: "console=ttyS0 panic=-1 acpi=off",
    guest: { command: "echo cpus=$(nproc)" },
  });
  assert.deepEqual(end, { kind: "exit", status: 0 }, text);
  assert.match(text, /Intel MultiProcessor Specification v1\.4/);
  assert.match(text, /^cpus=2$/m);
});
