/**
 * The configuration space of a network device.
 *
 * Source: virtio 1.2, 5.1.4 (struct virtio_net_config).
 * @module
 */
import { MAC_SIZE } from "./mac.ts";

/** Where the fields are. */
export const CONFIG_MAC = 0;
export const CONFIG_STATUS = 6;
const CONFIG_MAX_PAIRS = 8;
const CONFIG_MTU = 10;
const CONFIG_SIZE = 12;

/** Bits of the status. */
export const VIRTIO_NET_S_LINK_UP = 1;
export const VIRTIO_NET_S_ANNOUNCE = 2;

/** A configuration with the link up. @param mtu 0 where the driver isn't told */
export function netConfig(mac: Uint8Array, pairs: number, mtu: number): Uint8Array<ArrayBuffer> {
  const config = new Uint8Array(CONFIG_SIZE);
  const view = new DataView(config.buffer);
  config.set(mac.subarray(0, MAC_SIZE), CONFIG_MAC);
  view.setUint16(CONFIG_STATUS, VIRTIO_NET_S_LINK_UP, true);
  view.setUint16(CONFIG_MAX_PAIRS, pairs, true);
  view.setUint16(CONFIG_MTU, mtu, true);
  return config;
}
