/**
 * Boots a stock kernel in a machine and gives what came of it.
 * @module
 */
import { buildInitramfs, type InitramfsOptions, type KernelAsset } from "../assets/mod.ts";
import { kernelAsset, type KernelFlavour, vmlinuxAsset } from "../assets/mod.ts";
import { Machine, type MachineConfig, type MachineEnd } from "../../src/machine/mod.ts";
import { probeStockKernels } from "../../src/machine/probe/probe.ts";

/** Whether this host's KVM runs stock kernels; the guest tests are ignored by name where it does not. */
export const { runsStockKernels } = await probeStockKernels();

/** In the lab a boot takes seconds; a guest that has not ended by then never will. */
const GIVE_UP_MS = 180_000;

/** How a guest's run went. */
export interface GuestRun {
  readonly end: MachineEnd;
  /** All that it printed, with the line ends of Unix. */
  readonly text: string;
  readonly exits: Machine["exits"];
}

/** What a test boots. */
export interface GuestOptions extends Omit<Partial<MachineConfig>, "kernel" | "initrd"> {
  readonly flavour?: KernelFlavour;
  /** The bzImage as Debian ships it, or the ELF file that's packed in it. */
  readonly image?: "bzImage" | "vmlinux";
  /** What the guest does once it's up. */
  readonly guest: Omit<InitramfsOptions, "kernel">;
  /** Called with all that was printed so far, whenever there's more; types at the guest. */
  readonly onOutput?: (text: string, machine: Machine) => void;
}

/**
 * A registered test of a stock kernel, ignored by name where the host's KVM runs none.
 *
 * @param possible whether the host has what the test needs besides
 */
export function guestTest(
  name: string,
  fn: (t: Deno.TestContext) => Promise<void>,
  possible = true,
): void {
  Deno.test({ name, ignore: !runsStockKernels || !possible, fn });
}

/** Boots a guest and waits for its end. */
export async function bootGuest(options: GuestOptions): Promise<GuestRun> {
  const { flavour = "cloud", image = "bzImage", guest, onOutput, ...config } = options;
  const kernel: KernelAsset = await kernelAsset(flavour);
  await using machine = await Machine.create({
    cmdline: "console=ttyS0 panic=-1",
    ...config,
    kernel: image === "bzImage" ? kernel.vmlinuz : await vmlinuxAsset(flavour),
    initrd: await buildInitramfs({ ...guest, kernel }),
  });
  const timer = setTimeout(() => machine.stop(), GIVE_UP_MS);
  try {
    machine.start();
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of machine.console.output) {
      text += decoder.decode(chunk, { stream: true }).replaceAll("\r\n", "\n");
      onOutput?.(text, machine);
    }
    const end = await machine.ended;
    if (end.kind === "stopped") throw new Error(`the guest did not end:\n${text}`);
    return { end, text, exits: machine.exits };
  } finally {
    clearTimeout(timer);
  }
}
