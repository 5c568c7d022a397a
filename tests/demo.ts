/**
 * `deno task demo`: boots Debian's stock kernel in a microVM, runs a command in it, ends with its status.
 *
 * Where the host's KVM runs stock kernels the machine runs on it; elsewhere it runs in the lab.
 * @module
 */
import { buildInitramfs, kernelAsset } from "./assets/mod.ts";
import { CHECKOUT } from "./lab/mod.ts";
import { probeStockKernels } from "../src/machine/probe/probe.ts";

const DEFAULT_COMMAND = "uname -a; nproc; free -m";
const CPUS = 2;
const MEMORY = "512M";

const HELP = `Usage: deno task demo [COMMAND]

Boots Debian's stock kernel in a microVM with ${CPUS} vCPUs and ${MEMORY} of memory, runs COMMAND in the guest as
\`sh -c\` would, and ends with its status. Without COMMAND it runs: ${DEFAULT_COMMAND}
`;

const encoder = new TextEncoder();

function say(text: string): void {
  Deno.stderr.writeSync(encoder.encode(`demo: ${text}\n`));
}

async function demo(command: string): Promise<number> {
  const kernel = await kernelAsset("cloud");
  const initrd = await buildInitramfs({ command });
  const deno = (...args: string[]) => [Deno.execPath(), "run", "-A", "--quiet", ...args];
  const run = deno(
    ...[`${CHECKOUT}/src/cli/main.ts`, "run", kernel.vmlinuz, "--initrd", initrd],
    ...["--cpus", String(CPUS), "--memory", MEMORY, "--cmdline", "console=ttyS0 panic=-1"],
    ...["--timeout", "5m", "--timeline"],
  );
  const { runsStockKernels, problem } = await probeStockKernels();
  if (runsStockKernels) {
    say(`booting Debian's kernel ${kernel.version} on this host's KVM`);
    return await runToEnd(run);
  }
  const reason = problem ?? "this host's KVM can't run it (see: deno task denovisor doctor)";
  say(`booting Debian's kernel ${kernel.version} in the lab, an emulated host: ${reason}`);
  return await runToEnd([...deno(`${CHECKOUT}/tests/lab/main.ts`, "--timing", "--"), ...run]);
}

/** Runs a command on our terminal. Signals are the command's to answer; it cleans up and gives its status. */
async function runToEnd([program, ...args]: string[]): Promise<number> {
  const child = new Deno.Command(program, { args, stdin: "inherit" }).spawn();
  // A terminal sends SIGINT to both of us; the others come to this process alone.
  Deno.addSignalListener("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => child.kill(signal));
  }
  return (await child.status).code;
}

if (Deno.args[0] === "--help" || Deno.args[0] === "-h") {
  Deno.stdout.writeSync(encoder.encode(HELP));
} else {
  try {
    Deno.exit(await demo(Deno.args.join(" ") || DEFAULT_COMMAND));
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    Deno.exit(1);
  }
}
