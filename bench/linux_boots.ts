/**
 * How long a monitor takes from its exec to the first process of its Linux guest, and to its own end. The guest's
 * first process says how many processors there are, and resets the machine.
 * @module
 */
import { baseEntries, storeInitramfs } from "../src/rootfs/mod.ts";

/** What the first process says, and behind it a number of processors. */
const LINE = /^init sees (\d+) processors\r?$/m;

const INIT = `#!/bin/sh
echo "init sees $(nproc) processors"
reboot -f
`;

/** Stays away from nothing that a monitor needs: in the lab, a boot takes up to half a minute. */
const PATIENCE_MS = 180_000;

/** One boot, in seconds since the monitor's exec. */
export interface Boot {
  /** When the line of the first process had been read. */
  readonly init: number;
  /** When the monitor had ended. */
  readonly exit: number;
  /** How many processors the guest saw. */
  readonly processors: number;
}

/** Gives the path of the guests' initramfs: busybox, and what it runs as the first process. */
export async function initramfs(): Promise<string> {
  return await storeInitramfs([
    ...await baseEntries(),
    { path: "init", type: "file", mode: 0o755, data: INIT },
  ]);
}

/**
 * Runs a monitor to its end.
 *
 * @param command that has the guest's serial port on its standard output
 * @throws {Error} for one that fails, does not end, or whose guest has no first process, with what both of them said
 */
export async function timeBoot(
  [program, ...args]: readonly [string, ...string[]],
  timeoutMs = PATIENCE_MS,
): Promise<Boot> {
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  const child = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(timeoutMs),
  }).spawn();
  const errors = child.stderr.text();
  let text = "";
  let init: number | undefined;
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (init === undefined && LINE.test(text)) init = seconds();
  }
  const { code } = await child.status;
  const exit = seconds();
  const processors = Number(LINE.exec(text)?.[1]);
  if (init !== undefined && code === 0) return { init, exit, processors };
  const said = [text, await errors].map((part) => part.trim()).filter(Boolean).join("\n");
  throw new Error(`${[program, ...args].join(" ")} ended with status ${code}: ${said}`);
}
