import assert from "node:assert/strict";
import { end, type Race, RaceWord, scatter, waitFor } from "./msix_race_test_rig.ts";
import { openInterrupts } from "../interrupts.ts";
import { VirtioShared } from "../shared.ts";
import { PciDriver, PciMachine } from "./pci_test_driver.ts";
import { Fd } from "./test_slot.ts";

const ROUNDS = 5000;

/** How a driver closes a vector, and opens it. */
const ways: Record<string, (driver: PciDriver, isClosed: boolean) => void> = {
  "its own bit": (driver, isClosed) => driver.setMask(1, isClosed),
  "the function's": (driver, isClosed) => driver.setMsix(true, isClosed),
};

/**
 * Runs `first` with `second` in the middle: before its access number `at` to the shared state.
 *
 * @returns whether `first` made so many accesses
 */
function preempt(first: () => void, at: number, second: () => void): boolean {
  const { get, vector, setVector } = VirtioShared.prototype;
  let left = at;
  const step = () => {
    if (left-- === 0) second();
  };
  VirtioShared.prototype.get = function (...args) {
    step();
    return get.apply(this, args);
  };
  VirtioShared.prototype.vector = function (...args) {
    step();
    return vector.apply(this, args);
  };
  VirtioShared.prototype.setVector = function (...args) {
    step();
    return setVector.apply(this, args);
  };
  try {
    first();
  } finally {
    Object.assign(VirtioShared.prototype, { get, vector, setVector });
  }
  return left < 0;
}

for (const [what, mask] of Object.entries(ways)) {
  /** Who is interrupted in the middle, the one who comes in, and whether the vector is closed before. */
  const orders: Record<
    string,
    [first: "core" | boolean, second: "core" | boolean, before: boolean]
  > = {
    "the core, by its opening": ["core", false, true],
    "the core, by its closing": ["core", true, false],
    "its opening, by the core": [false, "core", true],
    "its closing, by the core": [true, "core", false],
  };
  for (const [order, [first, second, isClosed]] of Object.entries(orders)) {
    Deno.test(`a message is sent once when ${what} changes: ${order}, at every step`, () => {
      let at = 0;
      for (let isPreempted = true; isPreempted; at++) {
        const machine = new PciMachine([{}]);
        const driver = new PciDriver(machine);
        driver.probe("msix");
        mask(driver, isClosed);
        const signal = (fd: number) => machine.rig.context.irq(fd).trigger();
        const interrupts = openInterrupts(machine.slots[0], signal);
        const actor = (who: "core" | boolean) => () =>
          who === "core" ? interrupts.queue(0) : mask(driver, who);
        isPreempted = preempt(actor(first), at, actor(second));
        // Only where it was closed: opening it twice would send what was lost.
        if (!isClosed || !isPreempted) mask(driver, false);
        const sent = isPreempted || first === "core" ? 1 : 0;
        assert.equal(machine.signals(Fd.vector + 1), sent, `step ${at}`);
      }
      assert.ok(at > 3, "there are steps");
    });
  }

  Deno.test(`no interrupt is lost or doubled while its vector is masked and unmasked by ${what}`, () => {
    const machine = new PciMachine([{}]);
    const driver = new PciDriver(machine);
    driver.probe("msix");
    const words = new Int32Array(new SharedArrayBuffer(4 * RaceWord.count));
    machine.rig.listeners.set(Fd.vector + 1, () => void Atomics.add(words, RaceWord.signals, 1));
    const url = new URL("./msix_race_test_worker.ts", import.meta.url);
    const worker = new Worker(url, { type: "module" });
    try {
      const race: Race = { slot: machine.slots[0], words, rounds: ROUNDS };
      worker.postMessage(race);
      const random = scatter(2);
      for (let round = 1; round <= ROUNDS; round++) {
        const isRaised = () => Atomics.load(words, RaceWord.raised) === round;
        for (let times = random(100); times > 0 && !isRaised(); times--) {
          mask(driver, true);
          mask(driver, false);
        }
        waitFor(words, RaceWord.raised, round);
        assert.equal(Atomics.load(words, RaceWord.signals), round, `after round ${round}`);
        end(words, RaceWord.checked, round);
      }
    } finally {
      worker.terminate();
    }
  });
}
