/**
 * The one list of kinds of PCI functions. Adding a kind is its module and one line here.
 * @module
 */
import { virtioPci } from "../virtio/transport/pci.ts";
import type { PciFunctionModule, PciFunctionSpec } from "./function.ts";

const modules: readonly PciFunctionModule<never>[] = [virtioPci];

/** The module that made a function. @throws {RangeError} if there is no such kind */
export function pciFunctionModule(kind: string): PciFunctionModule<PciFunctionSpec> {
  const module = modules.find((module) => module.kind === kind);
  if (module === undefined) throw new RangeError(`there is no PCI function of the kind "${kind}"`);
  return module;
}
