/**
 * The first process of our small guests, a script for busybox's shell.
 *
 * @module
 */

import type { CpioEntry } from "../../loader/cpio.ts";

/** What the guest does. */
export interface GuestInitOptions {
  /**
   * What is run, as by `sh -c`, with the console as standard input, output and error. Without a
   * command, the guest ends at once.
   */
  readonly command?: string;
  /**
   * Whether the command has the console as its controlling terminal, so that Ctrl-C and job
   * control work; for an interactive shell, give the command "sh" with it.
   */
  readonly terminal?: boolean;
  /**
   * How the guest ends after the command:
   * - `"debug-exit"` (the default) gives the command's status to the monitor through port 0xf4, and
   *   powers off should the machine still run then;
   * - `"power-off"` and `"reboot"` ask the kernel for that;
   * - `"panic"` lets init end, which no kernel survives.
   */
  readonly end?: "debug-exit" | "power-off" | "reboot" | "panic";
}

/** The status given through port 0xf4 when the guest fails before its command. */
export const GUEST_SETUP_FAILED = 125;

const ENDINGS: Readonly<Record<NonNullable<GuestInitOptions["end"]>, string>> = {
  // A machine may refuse `out` to user space, and one without that device ignores it. The kernel's
  // own way there, 244 being 0xf4, is not in every kernel.
  "debug-exit": `debug-exit "$1"
  [ -c /dev/port ] && printf "\\\\$(printf %03o "$1")" |
    dd of=/dev/port bs=1 seek=244 conv=notrunc 2> /dev/null
  poweroff -f`,
  "power-off": "poweroff -f",
  "reboot": "reboot -f",
  "panic": `exit "$1"`,
};

/**
 * Shell commands for the links that programs expect in /dev and that devtmpfs does not have.
 *
 * @param dev where devtmpfs is mounted.
 */
export function deviceLinks(dev: string): string {
  return [
    `ln -s /proc/self/fd ${dev}/fd`,
    ...["stdin", "stdout", "stderr"].map((name, fd) => `ln -s fd/${fd} ${dev}/${name}`),
  ].join("\n");
}

/**
 * Writes /init and /command.
 *
 * @param modules names of the modules to load from /lib/modules, in order.
 */
export function guestInit(options: GuestInitOptions, modules: readonly string[]): CpioEntry[] {
  const run = options.terminal ? "setsid cttyhack sh /command" : "sh /command";
  const script = `#!/bin/sh
export PATH=/bin HOME=/root TERM="\${TERM:-linux}"
end() {
  ${ENDINGS[options.end ?? "debug-exit"]}
  while :; do sleep 1000; done
}
setup() {
  "$@" && return
  echo "init: failed: $*"
  end ${GUEST_SETUP_FAILED}
}
setup mount -t proc proc /proc
setup mount -t sysfs sysfs /sys
setup mount -t devtmpfs devtmpfs /dev
setup mkdir -p /dev/pts /dev/shm
setup mount -t devpts devpts /dev/pts
setup mount -t tmpfs tmpfs /dev/shm
${deviceLinks("/dev")}
${modules.map((name) => `setup insmod /lib/modules/${name}.ko`).join("\n")}
cd /root
${run}
end $?
`;
  return [
    { path: "init", type: "file", mode: 0o755, data: script },
    { path: "command", type: "file", data: `${options.command ?? ":"}\n` },
  ];
}
