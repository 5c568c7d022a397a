/**
 * A virtio device without a core, for tests of transports: a slot, and something that answers the transport as an
 * I/O isolate does.
 *
 * @module
 */
import type { TestRig } from "../../test_rig.ts";
import { bit, QUEUE_FEATURES } from "../features.ts";
import { type Agreement, VirtioShared, Word } from "../shared.ts";
import type { InterruptSpec, VirtioSlot } from "../slot.ts";

/** Eventfds, as far as tests know them: numbers that tell devices and purposes apart. */
export const Fd = { line: 1, control: 2, pin: 3, resample: 4, kick: 100, vector: 500 } as const;
/** What each further device's eventfds are higher by. */
export const FDS_EACH = 1000;

/** A feature of the device's own kind. */
export const TEST_FEATURE = 5;
/** The GSI of the first vector. */
export const FIRST_GSI = 24;

/** How a test device is made. */
export interface TestSlotOptions {
  readonly kind: InterruptSpec["kind"];
  readonly queueSizes?: readonly number[];
  readonly config?: readonly number[];
  readonly writableConfig?: VirtioSlot["writableConfig"];
  readonly deviceType?: number;
  /** Its number among devices of its kind, 0 for one alone. */
  readonly index?: number;
}

/** A slot with eventfds of {@linkcode Fd}; a PCI one has a vector for the configuration and each queue. */
export function testSlot(options: TestSlotOptions): VirtioSlot {
  const { kind, queueSizes = [256, 64], config = [1, 2, 3, 4, 5, 6, 7, 8], index = 0 } = options;
  const fd = index * FDS_EACH;
  const vectors = kind === "line" ? 0 : queueSizes.length + 1;
  const interrupts: InterruptSpec = kind === "line" ? { kind, fd: fd + Fd.line } : {
    kind,
    vectors: Array.from({ length: vectors }, (_, i) => ({
      fd: fd + Fd.vector + i,
      gsi: FIRST_GSI + index * vectors + i,
    })),
    pin: { fd: fd + Fd.pin, resampleFd: fd + Fd.resample },
  };
  return {
    id: `test${index}`,
    deviceType: options.deviceType ?? 2,
    features: QUEUE_FEATURES | bit(TEST_FEATURE),
    writableConfig: options.writableConfig ?? [],
    shared: VirtioShared.allocate(
      { queueSizes, vectors, configSize: config.length },
      Uint8Array.from(config),
    ),
    kicks: queueSizes.map((_, i) => fd + Fd.kick + i),
    control: fd + Fd.control,
    interrupts,
  };
}

/** The core's end: looks at the shared state whenever it's signalled, as long as it is not stuck. */
export class TestCore {
  readonly shared: VirtioShared;
  /** What it works by, from DRIVER_OK until it is reset. */
  started: Agreement | undefined;
  resets = 0;
  configWrites = 0;
  /** Requests of its backend are under way that don't end. */
  stuck = false;

  constructor(rig: TestRig, slot: VirtioSlot) {
    this.shared = new VirtioShared(slot.shared);
    rig.listeners.set(slot.control, () => this.look());
  }

  look(): void {
    const { shared } = this;
    if (this.stuck) return;
    if (shared.get(Word.reset) !== 0) {
      this.started = undefined;
      this.resets++;
      shared.finishReset();
    }
    this.started ??= shared.agreed();
    if (Atomics.exchange(shared.words, Word.configWritten, 0) === 1) this.configWrites++;
  }
}
