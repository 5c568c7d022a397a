/**
 * What joins a virtio device's transport, in the vCPUs' isolates, with its core, in an I/O isolate.
 * @module
 */
import type { SharedSpec } from "./shared.ts";

/** How a device interrupts its guest. */
export type InterruptSpec =
  /** An edge on a line of the interrupt controller: an irqfd (the MMIO transport). */
  | { readonly kind: "line"; readonly fd: number }
  /** Message-signalled interrupts, and a level-triggered pin for drivers without them (the PCI transport). */
  | {
    readonly kind: "msix";
    /** For each vector its eventfd, and the GSI that this is bound to. */
    readonly vectors: readonly { readonly fd: number; readonly gsi: number }[];
    /** The pin: an irqfd, and the eventfd that KVM signals at the guest's EOI, when the pin has fallen. */
    readonly pin: { readonly fd: number; readonly resampleFd: number };
  };

/** One plugged-in device, as its transport and its core see it. Can be structured-cloned. */
export interface VirtioSlot {
  /** The device's name in its machine, such as `"disk0"`. */
  readonly id: string;
  /** The device's number (virtio 1.2, 5). */
  readonly deviceType: number;
  /** All that is offered to the driver. */
  readonly features: bigint;
  /** Where the driver may write to the configuration space. */
  readonly writableConfig: readonly { readonly offset: number; readonly size: number }[];
  /** Registers, queues, vectors and configuration. */
  readonly shared: SharedSpec;
  /** For each queue the eventfd that its notifications signal. */
  readonly kicks: readonly number[];
  /**
   * The eventfd that the transport signals when the core has to look at the shared state: the driver has set
   * DRIVER_OK, asks for a reset, or has written to the configuration.
   */
  readonly control: number;
  readonly interrupts: InterruptSpec;
}
