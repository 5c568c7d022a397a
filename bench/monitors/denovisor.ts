/**
 * This project as its users start it: an executable, or the source tree.
 * @module
 */
import { architecture } from "../../src/arch/mod.ts";
import { PROGRAM } from "../../tests/cli/process.ts";
import { cmdline, type Guest, MEMORY_MIB, type Monitor } from "./monitor.ts";

const { virtioMmioPlaces: [first, second], virtioMmioPlaces } = architecture;

/** This project, by a command line of its own. */
export function denovisorAs(program: readonly [string, ...string[]]): Monitor {
  return {
    name: "denovisor",
    statusOf: (guest) => guest,
    command: (guest) => [...program, ...runArguments(guest)],
  };
}

/** This project, as tests run it. */
export const denovisor = denovisorAs(PROGRAM);

function runArguments({ program, parameters, devices: { disk, tap, idlers } }: Guest): string[] {
  const mmio = `${first.base},${second.base - first.base},${virtioMmioPlaces.length}`;
  return [
    ...["run", program, "--memory", `${MEMORY_MIB}M`, "--transport", "mmio"],
    ...["--cmdline", cmdline({ mmio, ...parameters })],
    ...disk === undefined ? [] : ["--disk", disk],
    ...tap === undefined ? [] : ["--net", tap],
    ...idlers === true ? ["--rng", "--balloon", "--port", "idle,file=/dev/null"] : [],
  ];
}
