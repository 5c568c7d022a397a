/**
 * What a socket device counts.
 * @module
 */

/** The names of the counters. Bytes are those of payload; `rx` is towards the guest. */
export const VSOCK_METRICS = [
  /** Packets that the guest was given, control packets among them, and their payload. */
  "rx_packets",
  "rx_bytes",
  /** How often packets had to wait because the guest offered no buffers. */
  "rx_no_buffers",
  /** How often data had to wait for the limits. */
  "rx_throttled",
  /** Packets that the guest has sent, and their payload. */
  "tx_packets",
  "tx_bytes",
  /** Packets that were none, or in another guest's name. */
  "tx_malformed",
  /** How often packets had to wait for the limits. */
  "tx_throttled",
  /** Connections that there are now. */
  "connections",
  /** Connections that the guest and clients on the host have opened. */
  "connections_from_guest",
  "connections_from_host",
  /** Requests that nobody on the host has taken, or for which there was no room. */
  "connections_refused",
  /** Clients on the host that said something else than what they want, or too late, or too many of them. */
  "clients_refused",
  /** Resets that the guest was sent, and those for which there was no place. */
  "resets",
  "resets_dropped",
] as const;

/** One of the counters. */
export type VsockMetric = typeof VSOCK_METRICS[number];
