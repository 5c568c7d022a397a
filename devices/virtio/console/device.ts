/**
 * The console device's core: its ports, and what driver and device tell each other about them (virtio 1.2, 5.3.6).
 * @module
 */
import { type DeviceState, StateReader } from "../../state.ts";
import { hasFeature } from "../features.ts";
import {
  type DeviceContext,
  DeviceError,
  type VirtioDescription,
  type VirtioDevice,
} from "../module.ts";
import { DescriptorChain } from "../queue/chain.ts";
import type { Virtqueue } from "../queue/virtqueue.ts";
import { type ConsoleBackend, openBackend } from "./ends.ts";
import { Port, PORT_QUEUE_SIZE } from "./port.ts";
import {
  ConfigOffset,
  CONTROL_RECEIVE,
  CONTROL_SIZE,
  CONTROL_TRANSMIT,
  ControlEvent,
  receiveQueue,
  transmitQueue,
  VIRTIO_CONSOLE_F_MULTIPORT,
  VIRTIO_CONSOLE_F_SIZE,
} from "./protocol.ts";

/** Columns and rows, which are beside each other in the configuration. */
const SIZE_BYTES = 4;
const KIND = "console";
const VERSION = 1;

/** What the driver is still to be told of a port; each at most once, whatever the guest does. */
interface News {
  add: boolean;
  name: boolean;
  open: boolean;
}

/** One port with what is to be said of it. */
interface Slot {
  readonly number: number;
  readonly port: Port;
  readonly news: News;
}

/** The core of one console device. */
export class ConsoleDevice implements VirtioDevice {
  readonly #context: DeviceContext;
  readonly #slots = new Map<number, Slot>();
  readonly #chain = new DescriptorChain(PORT_QUEUE_SIZE);
  readonly #control = new DataView(new ArrayBuffer(CONTROL_SIZE));
  readonly #controlBytes = new Uint8Array(this.#control.buffer);
  readonly #encoder = new TextEncoder();
  #receive: Virtqueue | undefined;
  #transmit: Virtqueue | undefined;
  #roles: readonly (Virtqueue | undefined)[] = [];
  #multiport = false;

  constructor({ backend }: VirtioDescription<ConsoleBackend>, context: DeviceContext) {
    this.#context = context;
    const resized = (columns: number, rows: number) => this.#resized(columns, rows);
    for (const { number, name, end } of backend.ports) {
      const port = new Port(
        name,
        context,
        openBackend(end, name, context, resized),
        () => this.#tell(number, "open"),
      );
      const news = { add: false, name: false, open: false };
      this.#slots.set(number, { number, port, news });
    }
  }

  start(queues: readonly (Virtqueue | undefined)[], features: bigint): void {
    this.#roles = queues;
    this.#multiport = hasFeature(features, VIRTIO_CONSOLE_F_MULTIPORT);
    if (this.#multiport) {
      this.#receive = queues[CONTROL_RECEIVE];
      this.#transmit = queues[CONTROL_TRANSMIT];
    }
    for (const { number, port } of this.#slots.values()) {
      // Without the control queues there is one port, and it's always open.
      if (!this.#multiport && number !== 0) continue;
      port.start(queues[receiveQueue(number)], queues[transmitQueue(number)]);
      if (!this.#multiport) port.setOpen(true);
    }
    // Linux (6.1) reads the size of a terminal when it is told of a change, and at no other time.
    if (!this.#multiport && hasFeature(features, VIRTIO_CONSOLE_F_SIZE)) this.#tellSize();
  }

  kick(queue: number): void {
    if (this.#multiport && queue === CONTROL_TRANSMIT) this.#listen();
    else if (this.#multiport && queue === CONTROL_RECEIVE) this.#speak();
    else {
      for (const { number, port } of this.#slots.values()) {
        if (queue === receiveQueue(number)) port.input();
        if (queue === transmitQueue(number)) port.output();
      }
    }
  }

  stop(): void {
    for (const { port } of this.#slots.values()) port.stop();
    this.#receive = this.#transmit = undefined;
    this.#roles = [];
  }

  reset(): void {
    for (const { port, news } of this.#slots.values()) {
      port.setOpen(false);
      news.add = news.name = news.open = false;
    }
  }

  /** `ports` tells of each port whether the guest has it open, and whether somebody is at the host's end. */
  command(name: string): unknown {
    if (name !== "ports") throw new DeviceError(`a console device has no command ${name}`);
    return [...this.#slots.values()].map(({ port }) => ({
      name: port.name,
      open: port.isOpen,
      connected: port.connected,
    }));
  }

  save(): DeviceState {
    const slots = [...this.#slots.values()];
    return {
      version: VERSION,
      open: slots.filter(({ port }) => port.isOpen).map(({ number }) => number),
    };
  }

  restore(state: DeviceState): void {
    const reader = new StateReader(KIND, VERSION, state);
    const open = reader.bytes("open", 0, this.#slots.size);
    reader.finish();
    for (const number of open) this.#slots.get(number)?.port.setOpen(true);
    // Whoever was at the host's ends before the restore may have left.
    for (const { news } of this.#slots.values()) news.open = true;
  }

  close(): void {
    for (const { port } of this.#slots.values()) port.close();
  }

  /** Messages of the driver's. */
  #listen(): void {
    const queue = this.#transmit;
    if (queue === undefined) return;
    const chain = this.#chain;
    while (queue.pop(chain)) {
      this.#controlBytes.fill(0);
      const bytes = chain.read(this.#context.memory, 0, this.#controlBytes);
      queue.push(chain, 0);
      if (bytes === CONTROL_SIZE) {
        const control = this.#control;
        this.#heard(
          control.getUint32(0, true),
          control.getUint16(4, true),
          control.getUint16(6, true),
        );
      }
    }
    queue.flush();
    this.#speak();
  }

  /** One message; a port or an event that there isn't is ignored. */
  #heard(number: number, event: number, value: number): void {
    if (event === ControlEvent.deviceReady) {
      // A driver that could not set itself up (value 0) is told nothing.
      if (value === 1) { for (const { news } of this.#slots.values()) news.add = true; }
      return;
    }
    const slot = this.#slots.get(number);
    if (slot === undefined) return;
    if (event === ControlEvent.portOpen) slot.port.setOpen(value === 1);
    else if (event === ControlEvent.portReady && value === 1) {
      slot.news.name = true;
      slot.news.open = slot.port.connected;
    }
  }

  #tell(number: number, what: keyof News): void {
    const slot = this.#slots.get(number);
    if (slot === undefined) return;
    slot.news[what] = true;
    this.#speak();
  }

  #resized(columns: number, rows: number): void {
    const size = new DataView(new ArrayBuffer(SIZE_BYTES));
    size.setUint16(ConfigOffset.cols, columns, true);
    size.setUint16(ConfigOffset.rows, rows, true);
    this.#context.config.update(ConfigOffset.cols, new Uint8Array(size.buffer));
  }

  /** Has the driver read the size that is in the configuration. */
  #tellSize(): void {
    const { config } = this.#context;
    const { cols } = ConfigOffset;
    config.update(cols, config.bytes.slice(cols, cols + SIZE_BYTES));
  }

  /** Says what is to be said, as far as the driver has buffers for it. */
  #speak(): void {
    const queue = this.#receive;
    if (queue === undefined) return;
    for (const slot of this.#slots.values()) {
      const { news, port } = slot;
      if (news.add) news.add = !this.#say(queue, slot, ControlEvent.portAdd, 0);
      if (news.name) {
        news.name = !this.#say(
          queue,
          slot,
          ControlEvent.portName,
          1,
          this.#encoder.encode(port.name),
        );
      }
      if (news.open) {
        news.open = !this.#say(queue, slot, ControlEvent.portOpen, port.connected ? 1 : 0);
      }
    }
    queue.flush();
    // Buffers that come later are told: the rest is said then.
    queue.watch();
  }

  /** @returns whether there was a buffer for it */
  #say(queue: Virtqueue, slot: Slot, event: number, value: number, more?: Uint8Array): boolean {
    const chain = this.#chain;
    if (!queue.pop(chain)) return false;
    const { memory } = this.#context;
    this.#control.setUint32(0, slot.number, true);
    this.#control.setUint16(4, event, true);
    this.#control.setUint16(6, value, true);
    let written = chain.write(memory, 0, this.#controlBytes);
    if (more !== undefined) written += chain.write(memory, CONTROL_SIZE, more);
    queue.push(chain, written);
    return true;
  }
}
