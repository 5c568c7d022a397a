/**
 * denovisor: a virtual machine monitor for Linux/KVM.
 *
 * {@linkcode Machine} boots a kernel:
 *
 * ```ts ignore
 * import { Machine } from "denovisor";
 *
 * await using machine = await Machine.create({
 *   kernel: "vmlinuz",
 *   initrd: "initrd.cpio",
 *   memory: "512M",
 *   cpus: 2,
 * });
 * machine.start();
 * for await (const chunk of machine.console.output) Deno.stdout.writeSync(chunk);
 * console.log(await machine.ended); // { kind: "power-off", source: "acpi" }, say
 * ```
 *
 * Its pieces can be taken alone: `denovisor/kvm`, `denovisor/memory`, `denovisor/bus`, `denovisor/devices` and
 * `denovisor/loader`.
 * @module
 */
export * from "./src/machine/mod.ts";
