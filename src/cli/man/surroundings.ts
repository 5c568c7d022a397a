/**
 * What of its surroundings the program looks at without being told to, for the manual.
 * @module
 */

/** Variables of the environment. */
export const ENVIRONMENT: readonly (readonly [name: string, meaning: string])[] = [
  ["NO_COLOR", "where it is set and not empty, the report of doctor has no colours"],
  ["PATH", "where the programs are that --rootfs fetches and unpacks with"],
  ["XDG_CACHE_HOME", "what --rootfs has fetched and built is in a folder denovisor there"],
  ["HOME", "without XDG_CACHE_HOME it is in .cache/denovisor there"],
  [
    "XDG_RUNTIME_DIR",
    "the control sockets of machines with names are in a folder denovisor there; where it is not set or not the user's " +
    "alone, in one in /run/user/UID, for root in /run, else in /tmp/denovisor-UID",
  ],
];

/** Files and devices that are used under their own names. */
export const FILES: readonly (readonly [path: string, meaning: string])[] = [
  ["/dev/kvm", "KVM; who may open it, usually the group kvm, may run machines"],
  ["/dev/net/tun", "the tap interfaces of network cards"],
  ["/dev/ptmx", "the pseudo-terminals of ports"],
  ["/etc/machine-id", "makes the addresses of network cards differ from host to host"],
];
