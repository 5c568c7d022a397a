/**
 * Runs a guest that the program carries, in a machine of its own, before a judge.
 * @module
 */
import { type AssetName, readAsset } from "../../parts/mod.ts";
import {
  type CaseContext,
  type CreateGuestMachine,
  type GuestCase,
  GuestCaseError,
  type GuestConfig,
} from "./case.ts";
import type { Judge } from "./guest.ts";

/** A case that is one guest. */
export function guestCase(
  spec: Pick<GuestCase, "name" | "area" | "title" | "image" | "config" | "judge">,
): GuestCase {
  const hasVirtio = spec.area === "virtio";
  return {
    ...spec,
    needs: hasVirtio ? ["kvm", "io_uring"] : ["kvm"],
    run: (context) => runGuest(spec.image, spec.config, spec.judge, context),
  };
}

/** The RAM of a machine where nothing else is said: enough for every guest, and soon taken. */
const MEMORY = "16M";

/**
 * Runs a guest before its judge. When this resolves or rejects, the machine has been given back.
 *
 * @throws {GuestCaseError} around what went wrong
 */
export async function runGuest(
  image: AssetName,
  config: GuestConfig,
  judge: Judge,
  { signal, create }: CaseContext,
): Promise<void> {
  const kernel = { name: `guest ${image}`, bytes: readAsset(image) };
  await runMachine(create, { memory: MEMORY, ...config, kernel }, judge, signal);
}

async function runMachine(
  create: CreateGuestMachine,
  config: Parameters<CreateGuestMachine>[0],
  judge: Judge,
  signal: AbortSignal,
): Promise<void> {
  const log: string[] = [];
  await using machine = await create(config, { signal, log: (line) => log.push(line) });
  const stop = () => void machine.stop();
  signal.addEventListener("abort", stop);
  try {
    machine.start();
    await judge(machine);
  } catch (cause) {
    throw new GuestCaseError(cause, machine.console.lastLines, log);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
