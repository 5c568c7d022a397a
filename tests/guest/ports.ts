/**
 * Named ports, as a guest without udev finds them.
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
