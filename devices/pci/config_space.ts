/**
 * The configuration space of a PCI function: a type 0 header, capabilities, and which bits software may write.
 *
 * Source: PCI Local Bus Specification 3.0, 6.1 to 6.7.
 *
 * @module
 */
import type { AccessSize } from "../../src/bus/mod.ts";
import { DeviceStateError, type StateReader } from "../state.ts";

/** Bytes of a conventional function's configuration space. */
export const CONFIG_SIZE = 0x100;

/** Offsets in the header (6.1). */
export const Header = {
  vendorId: 0x00,
  deviceId: 0x02,
  command: 0x04,
  status: 0x06,
  revision: 0x08,
  classCode: 0x09,
  cacheLineSize: 0x0c,
  bar0: 0x10,
  /** Behind the last of six. */
  barsEnd: 0x28,
  subsystemVendorId: 0x2c,
  subsystemId: 0x2e,
  capabilities: 0x34,
  interruptLine: 0x3c,
  interruptPin: 0x3d,
  /** Where capabilities may begin. */
  end: 0x40,
} as const;

/** Bits of the command register that software may set (6.2.2). */
export const Command = {
  memory: 1 << 1,
  master: 1 << 2,
  parityError: 1 << 6,
  systemError: 1 << 8,
  interruptDisable: 1 << 10,
} as const;

/** Bits of the status register (6.2.3). */
export const DeviceStatus = { interrupt: 1 << 3, capabilities: 1 << 4 } as const;

/** What a function says of itself. */
export interface Identity {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly revision: number;
  /** Base class, subclass and programming interface: 24 bits. */
  readonly classCode: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
}

/** The header and the capabilities of one kind of function, as they are built. */
export class ConfigLayout {
  /** What the function has at first. */
  readonly initial: Uint8Array = new Uint8Array(CONFIG_SIZE);
  /** The bits that software may write. */
  readonly writable: Uint8Array = new Uint8Array(CONFIG_SIZE);
  readonly #initial = new DataView(this.initial.buffer);
  readonly #writable = new DataView(this.writable.buffer);
  /** Where the pointer to the next capability goes. */
  #link: number = Header.capabilities;
  #next: number = Header.end;

  constructor(identity: Identity) {
    const { vendorId, deviceId, revision, classCode, subsystemVendorId, subsystemId } = identity;
    this.#initial.setUint16(Header.vendorId, vendorId, true);
    this.#initial.setUint16(Header.deviceId, deviceId, true);
    this.#initial.setUint8(Header.revision, revision);
    this.#initial.setUint8(Header.classCode, classCode & 0xff);
    this.#initial.setUint16(Header.classCode + 1, classCode >> 8, true);
    this.#initial.setUint16(Header.subsystemVendorId, subsystemVendorId, true);
    this.#initial.setUint16(Header.subsystemId, subsystemId, true);
    const command = Command.memory | Command.master | Command.parityError | Command.systemError |
      Command.interruptDisable;
    this.#writable.setUint16(Header.command, command, true);
    this.writable[Header.cacheLineSize] = 0xff;
  }

  /** BAR 0: memory that 32 bits address, with registers in it and so not prefetchable (6.2.5.1). */
  setMemoryBar(size: number): void {
    this.#writable.setUint32(Header.bar0, -size, true);
  }

  /** The interrupt pin INTA#. @param line what the firmware found that it leads to, for kernels without ACPI */
  setInterruptPin(line: number): void {
    const INTA = 1;
    this.initial[Header.interruptPin] = INTA;
    this.initial[Header.interruptLine] = line;
    this.writable[Header.interruptLine] = 0xff;
  }

  /**
   * Adds a capability (6.7).
   *
   * @param body what follows its id and its pointer to the next
   * @param writable the bits of `body` that software may write; none when left out
   * @returns where it begins
   * @throws {RangeError} if there's no room
   */
  addCapability(id: number, body: Uint8Array, writable?: Uint8Array): number {
    const at = this.#next;
    const end = at + 2 + body.length;
    if (end > CONFIG_SIZE) throw new RangeError("there is no room for another capability");
    this.initial[this.#link] = at;
    this.initial[at] = id;
    this.initial.set(body, at + 2);
    if (writable !== undefined) this.writable.set(writable, at + 2);
    this.initial[Header.status] |= DeviceStatus.capabilities;
    this.#link = at + 1;
    this.#next = Math.ceil(end / 4) * 4;
    return at;
  }
}

/** A function's configuration space in one isolate. */
export class ConfigSpace {
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #layout: ConfigLayout;

  /** The memory of a function that was just reset. */
  static allocate(layout: ConfigLayout): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(CONFIG_SIZE);
    new Uint8Array(memory).set(layout.initial);
    return memory;
  }

  constructor(memory: SharedArrayBuffer, layout: ConfigLayout) {
    this.#bytes = new Uint8Array(memory);
    this.#layout = layout;
  }

  /** Reads; all ones behind the end, as where there is no extended configuration space. */
  read(offset: number, size: AccessSize): number {
    if (offset + size > CONFIG_SIZE) return 0xffff_ffff;
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.#bytes[offset + i] << (8 * i);
    return value >>> 0;
  }

  /** Writes those bits that software may write. */
  write(offset: number, size: AccessSize, value: number): void {
    if (offset + size > CONFIG_SIZE) return;
    for (let i = 0; i < size; i++) {
      const writable = this.#layout.writable[offset + i];
      const before = this.#bytes[offset + i];
      this.#bytes[offset + i] = (before & ~writable) | ((value >>> (8 * i)) & writable);
    }
  }

  /** The command register. */
  get command(): number {
    return this.read(Header.command, 2);
  }

  /** The address in BAR 0. */
  get bar(): number {
    // The lowest four bits say what kind of BAR it is, not where.
    return (this.read(Header.bar0, 4) & ~0xf) >>> 0;
  }

  /** All bytes, for a save. */
  save(): readonly number[] {
    return Array.from(this.#bytes);
  }

  /**
   * The offset of a saved byte that is another function's.
   *
   * @returns -1 where all fit
   */
  mismatch(saved: Uint8Array): number {
    const { initial, writable } = this.#layout;
    return saved.findIndex((byte, i) => (byte & ~writable[i]) !== (initial[i] & ~writable[i]));
  }

  /** Puts saved bytes in place, which fit. */
  restore(saved: Uint8Array): void {
    this.#bytes.set(saved);
  }
}

/** Gives a function's BAR 0 an address, a multiple of its size, as firmware does. */
export function placeBar(memory: SharedArrayBuffer, address: number): void {
  new DataView(memory).setUint32(Header.bar0, address, true);
}

/**
 * Takes a configuration space out of a saved state and checks it.
 *
 * @param kind of the device, for messages
 * @returns what puts it in place
 * @throws {DeviceStateError}
 */
export function restoreConfigSpace(
  kind: string,
  space: ConfigSpace,
  reader: StateReader,
  field: string,
): () => void {
  const saved = reader.bytes(field, CONFIG_SIZE, CONFIG_SIZE);
  const at = space.mismatch(saved);
  if (at >= 0) {
    throw new DeviceStateError(kind, `field "${field}" has another function's byte at ${at}`);
  }
  return () => space.restore(saved);
}
