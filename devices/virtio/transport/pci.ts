/**
 * The PCI transport: a function of a modern virtio device, with MSI-X and an interrupt pin.
 *
 * All structures are in BAR 0, memory below 4 GiB that is not prefetchable: reading the interrupt status has an
 * effect. Each queue has a doorbell of its own there, bound wherever the guest has the BAR.
 *
 * State: the device's shared words and the configuration space, both behind the host bridge's lock.
 *
 * | the guest controls | what bounds it |
 * | --- | --- |
 * | configuration space | the bits that software may write |
 * | where BAR 0 is | the host bridge: inside its window, and over no other function |
 * | the window into BAR 0 (VIRTIO_PCI_CAP_PCI_CFG) | widths of 1, 2 and 4 inside BAR 0; it leads to registers only |
 * | registers in BAR 0 | see pci_registers.ts |
 *
 * Source: virtio 1.2, 4.1.
 *
 * @module
 */
import type { AccessSize, IrqLine } from "../../../src/bus/mod.ts";
import type { AttachContext, Doorbell, MachineWiring } from "../../device.ts";
import {
  Command,
  ConfigSpace,
  DeviceStatus,
  Header,
  restoreConfigSpace,
} from "../../pci/config_space.ts";
import type {
  MessageRange,
  PciFunction,
  PciFunctionModule,
  PciFunctionSpec,
} from "../../pci/function.ts";
import type { StateReader } from "../../state.ts";
import { pinAsserted } from "../interrupts.ts";
import { Msix, type VirtioShared, Word } from "../shared.ts";
import type { InterruptSpec, VirtioSlot } from "../slot.ts";
import { MsixVectors } from "./msix.ts";
import {
  BAR_SIZE,
  MsixControl,
  NOTIFY_MULTIPLIER,
  Region,
  type VirtioPciLayout,
  virtioPciLayout,
} from "./pci_layout.ts";
import { PciRegisters } from "./pci_registers.ts";
import { VirtioRegisters } from "./registers.ts";
import { restoreShared, saveShared } from "./saved.ts";

const KIND = "virtio-pci";

/** One device with the PCI transport. */
export interface VirtioPciSpec extends PciFunctionSpec {
  /** Its interrupts are vectors, one for the configuration and one for each queue, and a pin. */
  readonly slot: VirtioSlot;
  /** The GSI that its pin leads to, which kernels without ACPI read in its header. */
  readonly pinGsi: number;
}

/**
 * Makes the PCI function of a device.
 *
 * @throws {RangeError} if the device has no vectors, or more queues than there's room for
 */
export function createVirtioPci(slot: VirtioSlot, pinGsi: number): VirtioPciSpec {
  messageInterrupts(slot);
  const config = ConfigSpace.allocate(virtioPciLayout(slot, pinGsi).config);
  return { kind: KIND, config, barSize: BAR_SIZE, slot, pinGsi };
}

/** The PCI transport. */
export const virtioPci: PciFunctionModule<VirtioPciSpec> = {
  kind: KIND,

  attach: (spec, context, messages) => new VirtioPciFunction(spec, context, messages),

  save: ({ slot, pinGsi, config }, prefix) => ({
    ...saveShared(slot, prefix),
    [prefix + "configSpace"]: new ConfigSpace(config, virtioPciLayout(slot, pinGsi).config).save(),
  }),

  restore({ slot, pinGsi, config }, reader, prefix) {
    return restoreFunction(
      new ConfigSpace(config, virtioPciLayout(slot, pinGsi).config),
      slot,
      reader,
      prefix,
    );
  },
};

function restoreFunction(
  space: ConfigSpace,
  slot: VirtioSlot,
  reader: StateReader,
  prefix: string,
): () => void {
  const restoreRest = restoreShared(KIND, slot, reader, prefix);
  const restoreSpace = restoreConfigSpace(KIND, space, reader, prefix + "configSpace");
  return () => {
    restoreRest();
    restoreSpace();
  };
}

/** The interrupts of a device on PCI. */
function messageInterrupts(slot: VirtioSlot): InterruptSpec & { readonly kind: "msix" } {
  const { interrupts } = slot;
  if (interrupts.kind !== "msix" || interrupts.vectors.length !== slot.shared.vectors) {
    throw new RangeError(`${slot.id}: a device on PCI has an interrupt for each of its vectors`);
  }
  return interrupts;
}

/** The function in one isolate. */
class VirtioPciFunction implements PciFunction {
  readonly #space: ConfigSpace;
  readonly #layout: VirtioPciLayout;
  readonly #shared: VirtioShared;
  readonly #registers: PciRegisters;
  readonly #vectors: MsixVectors;
  readonly #pin: IrqLine;
  readonly #kicks: readonly number[];
  readonly #wiring: MachineWiring;

  constructor(
    { slot, pinGsi, config }: VirtioPciSpec,
    context: AttachContext,
    messages: MessageRange,
  ) {
    const interrupts = messageInterrupts(slot);
    const registers = new VirtioRegisters(slot, context);
    const vectors = interrupts.vectors.map(({ fd, gsi }) => ({ gsi, line: context.irq(fd) }));
    this.#layout = virtioPciLayout(slot, pinGsi);
    this.#space = new ConfigSpace(config, this.#layout.config);
    this.#shared = registers.shared;
    this.#vectors = new MsixVectors(this.#shared, vectors, messages, context.wiring);
    this.#registers = new PciRegisters(registers, this.#vectors);
    this.#pin = context.irq(interrupts.pin.fd);
    this.#kicks = slot.kicks;
    this.#wiring = context.wiring;
  }

  readConfig(offset: number, size: AccessSize): number {
    const { data } = this.#layout.window;
    if (offset >= data && offset < data + 4) return this.#readWindow(offset - data);
    const value = this.#space.read(offset, size);
    const statusAt = Header.status - offset;
    if (statusAt < 0 || statusAt >= size || !this.#isInterrupting) return value;
    return (value | (DeviceStatus.interrupt << (8 * statusAt))) >>> 0;
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    const { data } = this.#layout.window;
    if (offset >= data && offset < data + 4) {
      if (offset === data) this.#writeWindow(value);
      return;
    }
    this.#space.write(offset, size, value);
    this.#applyControl();
  }

  /** The status register's bit shows the pin as it would be if it weren't switched off (PCI 3.0, 6.2.3). */
  get #isInterrupting(): boolean {
    return this.#shared.get(Word.interruptStatus) !== 0 &&
      (this.#shared.get(Word.msix) & Msix.enabled) === 0;
  }

  get decodes(): number {
    return (this.#space.command & Command.memory) === 0 ? -1 : this.#space.bar;
  }

  readBar(offset: number, size: AccessSize): number {
    return this.#registers.read(offset, size);
  }

  writeBar(offset: number, size: AccessSize, value: number): void {
    this.#registers.write(offset, size, value);
  }

  mapped(base: number): void {
    for (let queue = 0; queue < this.#kicks.length; queue++) {
      this.#wiring.bindDoorbell(this.#doorbell(base, queue));
    }
  }

  unmapped(base: number): void {
    for (let queue = 0; queue < this.#kicks.length; queue++) {
      this.#wiring.unbindDoorbell(this.#doorbell(base, queue));
    }
  }

  /** A write of any width and value signals the queue (KVM_CAP_IOEVENTFD_ANY_LENGTH). */
  #doorbell(base: number, queue: number): Doorbell {
    const address = base + Region.notify.offset + queue * NOTIFY_MULTIPLIER;
    return { eventfd: this.#kicks[queue], address, length: 0 };
  }

  rewire(): void {
    this.#vectors.rewire();
    this.#applyControl();
    // A pin that was high is so again.
    if (pinAsserted(this.#shared)) this.#pin.trigger();
  }

  /** Brings what the I/O isolate sees up to the command and the message control registers. */
  #applyControl(): void {
    const control = this.#space.read(this.#layout.msixControl, 2);
    const isDisabled = (this.#space.command & Command.interruptDisable) !== 0;
    const wasAsserted = pinAsserted(this.#shared);
    this.#shared.set(Word.pinDisabled, isDisabled ? 1 : 0);
    this.#vectors.control(
      ((control & MsixControl.enable) !== 0 ? Msix.enabled : 0) |
        ((control & MsixControl.functionMask) !== 0 ? Msix.allMasked : 0),
    );
    if (!wasAsserted && pinAsserted(this.#shared)) this.#pin.trigger();
  }

  /** The window's width; 0 where it leads nowhere. */
  #windowSize(offset: number): AccessSize | 0 {
    const { bar, length } = this.#layout.window;
    const size = this.#space.read(length, 4);
    if (this.#space.read(bar, 1) !== 0 || offset + size > BAR_SIZE) return 0;
    return size === 1 || size === 2 || size === 4 ? size : 0;
  }

  /** Reads through the window (4.1.4.9.1). @param skip how many of its bytes come before */
  #readWindow(skip: number): number {
    const offset = this.#space.read(this.#layout.window.offset, 4);
    const size = this.#windowSize(offset);
    return size === 0 ? 0 : this.readBar(offset, size) >>> (8 * skip);
  }

  #writeWindow(value: number): void {
    const offset = this.#space.read(this.#layout.window.offset, 4);
    const size = this.#windowSize(offset);
    if (size !== 0) this.writeBar(offset, size, size === 4 ? value : value & (2 ** (8 * size) - 1));
  }
}
