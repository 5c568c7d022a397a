/**
 * What a guest finds at the address where a PC's firmware starts: code that resets the machine.
 *
 * There is no firmware, but kernels do jump to it. Linux 6.1 does on a hardware-reduced machine without EFI,
 * unless it is told `reboot=acpi`: it picks EFI's reset (reboot_init), finds none, and goes on to F000:FFF0 in
 * real mode. Without code there it would run through zeros for ever.
 *
 * @module
 */
import type { PowerRegisters } from "./acpi/mod.ts";
import { type Bytes, concat, little } from "./bytes.ts";

/** Real-mode code that writes the reset value to the reset register, and waits for the reset. */
export function resetVector({ reset, resetValue }: PowerRegisters): Bytes {
  return concat(
    ...[0xba, little(reset, 2)], // mov dx, reset
    ...[0xb0, little(resetValue, 1)], // mov al, resetValue
    0xee, // out dx, al
    0xf4, // hlt
    ...[0xeb, 0xfd], // jmp to the hlt
  );
}
