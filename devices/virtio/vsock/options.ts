/**
 * How users describe the socket device.
 * @module
 */
import { limitFields } from "../../limits/mod.ts";
import { count, defineOptions, path, type ValuesOf, withDefault } from "../../options.ts";
import { FIRST_GUEST_CID, LAST_GUEST_CID } from "./packet.ts";

/** As many as Firecracker has; each takes a descriptor of the host's, and 256 KiB while the host is slow: 1 MiB for 16. */
const DEFAULT_CONNECTIONS = 1023;
const MAX_CONNECTIONS = 65_536;

/** `--vsock cid=3,uds=/run/x.sock,...` and the file's `vsock`. "rx" and "tx" are as the guest sees them. */
export const VSOCK_OPTIONS = defineOptions({
  flag: "vsock",
  field: "vsock",
  multiplicity: "one",
  summary: "sockets between guest and host, without a network",
  main: "uds",
  fields: {
    uds: path("PATH", "the Unix socket that clients connect to; port P of the host is at PATH_P"),
    cid: withDefault(
      count("N", "the guest's context id", FIRST_GUEST_CID, LAST_GUEST_CID),
      FIRST_GUEST_CID,
    ),
    connections: withDefault(
      count("N", "the most connections at a time", 1, MAX_CONNECTIONS),
      DEFAULT_CONNECTIONS,
    ),
    ...limitFields("rx-", "packets"),
    ...limitFields("tx-", "packets"),
  },
});

/** A socket device as its user wants it. */
export type VsockOptions = ValuesOf<typeof VSOCK_OPTIONS>;
