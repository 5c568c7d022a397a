/**
 * The console device's numbers and layouts (virtio 1.2, 5.3; linux/virtio_console.h).
 * @module
 */

/** The device's number. */
export const VIRTIO_ID_CONSOLE = 3;

/** Feature bits (5.3.3). */
export const VIRTIO_CONSOLE_F_SIZE = 0;
export const VIRTIO_CONSOLE_F_MULTIPORT = 1;

/** Fields of the configuration (5.3.4): two of 16 bits, two of 32. */
export const ConfigOffset = { cols: 0, rows: 2, maxPorts: 4, emergencyWrite: 8 } as const;
export const CONFIG_SIZE = 12;

/** Queues by number (5.3.2): the first port's two, the control queues, then two for each further port. */
export const CONTROL_RECEIVE = 2;
export const CONTROL_TRANSMIT = 3;

/** The queue into which a port's input goes. */
export function receiveQueue(port: number): number {
  return port === 0 ? 0 : 2 + 2 * port;
}

/** The queue out of which a port's output comes. */
export function transmitQueue(port: number): number {
  return receiveQueue(port) + 1;
}

/** The events of control messages that are used (5.3.6.2). */
export const ControlEvent = {
  deviceReady: 0,
  portAdd: 1,
  portReady: 3,
  portOpen: 6,
  portName: 7,
} as const;

/** struct virtio_console_control: the port's number (32 bits), the event and a value (16 bits each). */
export const CONTROL_SIZE = 8;
