/**
 * This project as its users start it: an executable, or the source tree.
 * @module
 */
import { architecture } from "../../src/arch/mod.ts";
import { PROGRAM } from "../../tests/cli/process.ts";
import { cmdline, type Guest, GUEST_CID, MEMORY_MIB, type Monitor } from "./monitor.ts";

const { virtioMmioPlaces: [first, second], virtioMmioPlaces } = architecture;

/** This project, by a command line of its own. */
export function denovisorAs(program: readonly [string, ...string[]]): Monitor {
  return {
    name: "denovisor",
    statusOf: (guest) => guest,
    command: (guest) => [...program, "run", guest.program, ...options(guest)],
  };
}

/** This project, as tests run it. */
export const denovisor = denovisorAs(PROGRAM);

function options(guest: Guest): string[] {
  const { linux, cpus = 1, memoryMiB = MEMORY_MIB, hugePages, devices } = guest;
  const { disk, directDisk, tap, vsock, idlers } = devices;
  // Linux finds its devices by itself; programs of ours are told where they are.
  const mmio = `${first.base},${second.base - first.base},${virtioMmioPlaces.length}`;
  const told = linux === undefined ? { mmio, ...guest.parameters } : guest.parameters;
  return [
    ...["--memory", `${memoryMiB}M`, "--cpus", String(cpus)],
    ...hugePages === true ? ["--huge-pages", "transparent"] : [],
    ...linux === undefined ? ["--transport", "mmio"] : ["--initrd", linux.initrd],
    ...["--cmdline", cmdline({ parameters: told, linux }, "k")],
    ...disk === undefined ? [] : ["--disk", directDisk === true ? `${disk},cache=direct` : disk],
    ...tap === undefined ? [] : ["--net", tap],
    ...vsock === undefined ? [] : ["--vsock", `${vsock},cid=${GUEST_CID}`],
    ...idlers === true ? ["--rng", "--balloon", "--port", "idle,file=/dev/null"] : [],
  ];
}
