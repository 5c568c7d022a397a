/**
 * The console device: the machine's console, hvc0, and named byte channels between guest and host (virtio 1.2, 5.3).
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

/** The most ports, the console's among them; Linux has room for as many names. */
const MAX_PORTS = 31;
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
    const hasConsole = parts[0]?.name === CONSOLE_NAME;
    // Port 0 is a console's: drivers without MULTIPORT take it for one.
    const ports = parts.map((part, index) => ({
      number: hasConsole ? index : index + 1,
      name: part.name === CONSOLE_NAME ? "console" : part.name,
      end: createEnd(part, context),
    }));
    const count = ports[ports.length - 1].number + 1;
    const multiport = count > 1;
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
