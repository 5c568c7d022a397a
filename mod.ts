/**
 * denovisor: a virtual machine monitor for Linux/KVM.
 *
 * {@linkcode Machine} boots a kernel. This one is ten bytes long and runs in real mode, on any KVM; a Linux kernel
 * with an initrd, memory and vCPUs goes the same way, with `{ kernel: "vmlinuz", initrd: "initrd.cpio", cpus: 2 }`.
 *
 * ```ts
 * import assert from "node:assert/strict";
 * import { Machine } from "denovisor";
 *
 * const kernel = await Deno.makeTempFile();
 * // mov dx, 0x3f8; mov al, '!'; out dx, al; mov al, 7; out 0xf4, al
 * const code = [0xba, 0xf8, 0x03, 0xb0, 0x21, 0xee, 0xb0, 0x07, 0xe6, 0xf4];
 * await Deno.writeFile(kernel, Uint8Array.from(code));
 *
 * await using machine = await Machine.create({ kernel, protocol: "flat", memory: "16M" });
 * machine.start();
 * assert.equal(await new Response(machine.console.output).text(), "!");
 * assert.deepEqual(await machine.ended, { kind: "exit", status: 7 });
 * await Deno.remove(kernel);
 * ```
 *
 * Its pieces can be taken alone: `denovisor/kvm`, `denovisor/memory`, `denovisor/bus`, `denovisor/devices` and
 * `denovisor/loader`.
 * @module
 */
export * from "./src/machine/mod.ts";
export * from "./src/vm/mod.ts";
// Of the two classes of this name, that for scripts.
export { Machine } from "./src/vm/mod.ts";
