/**
 * What Linux calls the device that carries a machine's console.
 * @module
 */
import { architecture } from "../arch/mod.ts";

/** The value of `console=` on Linux's command line. */
export function linuxConsole(console: "serial" | "virtio" = "serial"): string {
  return console === "virtio" ? "hvc0" : architecture.serialConsole;
}
