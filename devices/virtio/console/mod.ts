/**
 * The console device (virtio 1.2, 5.3): one with the machine's console, hvc0, and one with named byte channels between
 * guest and host.
 *
 * The two are apart because drivers that know several ports are told a terminal's size by a message whose two fields
 * Linux has read in both orders over the years; a device with one port says it in its configuration.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | what it writes, and how much | it goes out as it is; while the host's end has no room, its queue waits |
 * | which ports it opens, and how often | a flag for each port; what it is told of a port is a flag for each thing |
 * | control messages | a port or an event that there isn't is ignored |
 *
 * What the guest writes to a port whose host end nobody has, is dropped, as a serial line does.
 *
 * @module
 */
import { bit } from "../features.ts";
import { DeviceError, type VirtioModule } from "../module.ts";
import { ConsoleDevice } from "./device.ts";
import { type ConsoleBackend, createEnd } from "./ends.ts";
import { CONSOLE_NAME, CONSOLE_OPTIONS } from "./options.ts";
import { PORT_QUEUE_SIZE } from "./port.ts";
import {
  CONFIG_SIZE,
  ConfigOffset,
  transmitQueue,
  VIRTIO_CONSOLE_F_MULTIPORT,
  VIRTIO_CONSOLE_F_SIZE,
  VIRTIO_ID_CONSOLE,
} from "./protocol.ts";
import { RingConsole } from "./ring_backend.ts";

/** The most ports of a device. */
const MAX_PORTS = 30;
/** Until the host's terminal says otherwise. */
const [COLUMNS, ROWS] = [80, 25];

/** The console device. */
export const console: VirtioModule<typeof CONSOLE_OPTIONS, ConsoleBackend> = {
  kind: "console",
  options: CONSOLE_OPTIONS,
  consolePart: {
    name: CONSOLE_NAME,
    file: undefined,
    uds: undefined,
    pty: undefined,
    stdio: false,
  },

  create(parts, context) {
    if (parts.length > MAX_PORTS) {
      throw new DeviceError(
        `there are ${parts.length} ports; a console device has at most ${MAX_PORTS}`,
      );
    }
    for (const [index, { name }] of parts.entries()) {
      if (parts.findIndex((part) => part.name === name) < index) {
        throw new DeviceError(`port ${name}: there are two of that name`);
      }
    }
    const isConsole = parts.some(({ name }) => name === CONSOLE_NAME);
    if (isConsole && parts.length > 1) throw new Error("a console shares its device with no port");
    // Port 0 is a console's: drivers without MULTIPORT take it for one.
    const ports = parts.map((part, index) => ({
      number: isConsole ? 0 : index + 1,
      name: isConsole ? "console" : part.name,
      end: createEnd(part, context),
    }));
    const multiport = !isConsole;
    const count = ports.length + (multiport ? 1 : 0);
    const config = new DataView(new ArrayBuffer(CONFIG_SIZE));
    config.setUint16(ConfigOffset.cols, COLUMNS, true);
    config.setUint16(ConfigOffset.rows, ROWS, true);
    config.setUint32(ConfigOffset.maxPorts, count, true);
    const queues = multiport ? transmitQueue(count - 1) + 1 : 2;
    return {
      kind: "console",
      deviceType: VIRTIO_ID_CONSOLE,
      features: bit(VIRTIO_CONSOLE_F_SIZE) | (multiport ? bit(VIRTIO_CONSOLE_F_MULTIPORT) : 0n),
      queueSizes: Array.from({ length: queues }, () => PORT_QUEUE_SIZE),
      config: new Uint8Array(config.buffer),
      metrics: ["inputBytes", "outputBytes", "droppedBytes"],
      backend: { ports },
    };
  },

  open: (description, context) => new ConsoleDevice(description, context),

  console({ backend }) {
    const [{ end }] = backend.ports;
    if (end.kind !== "rings") throw new Error("the first port is not the machine's console");
    return new RingConsole(end.rings);
  },
};
