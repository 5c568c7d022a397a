/**
 * What a network device counts.
 * @module
 */

/** The names of the counters. Bytes are those of frames, without the header before each. */
export const NET_METRICS = [
  /** Packets and bytes that the driver was given. */
  "rx_packets",
  "rx_bytes",
  /** Packets that no buffers of the driver's could hold, or larger than the MTU that was agreed on. */
  "rx_dropped",
  /** How often receiving stopped because the driver offered no buffers, or too few for a packet. */
  "rx_no_buffers",
  /** How often packets had to wait for the limits. */
  "rx_throttled",
  /** Failed reads from the host's end. */
  "rx_errors",
  /** Packets and bytes that the host took. */
  "tx_packets",
  "tx_bytes",
  /** Packets without a link, or on a queue that is not in use. */
  "tx_dropped",
  /** Packets that are too short or too long to be any. */
  "tx_malformed",
  /** Packets that the host refused. */
  "tx_errors",
  /** How often packets had to wait because the host had no room. */
  "tx_blocked",
  /** How often packets had to wait for the limits. */
  "tx_throttled",
  /** Commands of the driver's, and those of them that were refused. */
  "control_commands",
  "control_errors",
  /** Packets that a fault has dropped, delayed, had overtaken, sent twice, or changed a bit of. */
  "faults_dropped",
  "faults_delayed",
  "faults_reordered",
  "faults_duplicated",
  "faults_corrupted",
] as const;

/** One of the counters. */
export type NetMetric = typeof NET_METRICS[number];
