/**
 * Named ports, as a guest without udev finds them, and what comes out of them.
 * @module
 */
import type { CpioEntry } from "../../loader/mod.ts";

/** `port NAME` prints the device of a port, which appears some time after its driver is loaded. */
export const PORT_SCRIPT: CpioEntry = {
  path: "bin/port",
  type: "file",
  mode: 0o755,
  data: `#!/bin/sh
tries=200
while [ $tries -gt 0 ]; do
  for port in /sys/class/virtio-ports/*; do
    [ "$(cat $port/name)" = "$1" ] && echo /dev/\${port##*/} && exit
  done 2> /dev/null
  tries=$((tries - 1))
  sleep 0.05
done
echo "port $1: there is none" >&2
exit 1
`,
};

/** How long a busy host may take to write what a guest has written. */
const WRITTEN_MS = 30_000;

/**
 * Waits for what a guest writes to a port with a file: the guest does not wait for it.
 *
 * @returns the file's bytes, as many as are wanted or fewer
 */
export async function writtenBytes(path: string, wanted: number): Promise<Uint8Array> {
  const end = performance.now() + WRITTEN_MS;
  while ((await Deno.stat(path)).size < wanted && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return await Deno.readFile(path);
}
