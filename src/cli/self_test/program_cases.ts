/**
 * Cases about the program itself: its file, its parts, and that it keeps nothing of its machines.
 * @module
 */
import { PARTS, type Parts } from "../../parts/carrier.ts";
import { readAsset } from "../../parts/mod.ts";
import { type AssetName, ASSETS } from "../../parts/table.ts";
import { runProbe } from "../../machine/probe/probe.ts";
import type { Area, CaseContext, GuestConfig, Requirement, SelfTestCase } from "./case.ts";
import { expect, expectEqual, Mismatch, Skip } from "./expect.ts";
import type { Judge } from "./guest.ts";
import { runGuest } from "./guest_case.ts";
import { heldAgain, heldAtRest, heldMore } from "./held.ts";
import { exits } from "./judges/ends.ts";
import { allReady } from "./judges/devices.ts";
import { PCI } from "./ways.ts";

/** The whole of an executable's file is what was built. */
const file: SelfTestCase = {
  name: "file",
  area: "program",
  title: "the executable's file is whole",
  needs: [],
  run: async () => {
    const carrier = (globalThis as { [PARTS]?: Parts })[PARTS];
    if (carrier === undefined) throw new Skip("it runs from a source tree");
    if (carrier.verify === undefined) throw new Skip("this executable has no checksum of its own");
    const problem = await carrier.verify();
    if (problem !== undefined) throw new Mismatch(problem);
  },
};

/** Every file of the table is there. */
const parts: SelfTestCase = {
  name: "parts",
  area: "program",
  title: "every file that the program carries can be read",
  needs: [],
  run: () => {
    for (const name of Object.keys(ASSETS) as AssetName[]) {
      expect(readAsset(name).length > 0, `${name} is empty`);
    }
    return Promise.resolve();
  },
};

/** How long a Worker may take that has nothing to do, in milliseconds. */
const WORKER_MS = 10_000;

/** A Worker of the program starts, and answers. */
const worker: SelfTestCase = {
  name: "worker",
  area: "program",
  title: "a Worker starts and answers",
  needs: ["kvm"],
  run: async () => {
    const answer = await runProbe([], WORKER_MS);
    expectEqual(answer, { results: [] }, "its answer");
  },
};

/** See {@linkcode givenBack}. */
const PATIENCE_MS = 20_000;
/** A process that has not changed for so long is at rest, in milliseconds. */
const RESTING_MS = 100;

async function held<T>(look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) {
      throw new Skip(`/proc can't be read: ${error.message}`);
    }
    throw error;
  }
}

/**
 * A machine that has come to its end leaves nothing behind in this process. The first one does not count: what the
 * process takes once and keeps is no leak.
 *
 * @param patience how long the Workers of a machine may take to be gone, in milliseconds
 */
export function givenBack(
  spec: {
    readonly name: string;
    readonly area: Area;
    readonly title: string;
    readonly needs: readonly Requirement[];
    readonly image: AssetName;
    readonly config: GuestConfig;
    readonly judge: Judge;
  },
  patience: number = PATIENCE_MS,
): SelfTestCase {
  const { image, config, judge, ...rest } = spec;
  return {
    ...rest,
    run: async (context: CaseContext) => {
      await runGuest(image, config, judge, context);
      const before = await held(() => heldAtRest(RESTING_MS, patience));
      await runGuest(image, config, judge, context);
      const kept = heldMore(before, await held(() => heldAgain(before, patience)));
      expect(kept.length === 0, `a machine left behind: ${kept.join(", ")}`);
    },
  };
}

/** Cases of the program without a guest of their own. */
export const PROGRAM_CASES: readonly SelfTestCase[] = [file, parts, worker];

/** What is left of a machine with the devices that all have. */
export const machineGivenBack: SelfTestCase = givenBack({
  name: "given-back",
  area: "end",
  title: "a machine gives memory, descriptors and Workers back",
  needs: ["kvm"],
  image: "long-mode",
  config: { protocol: "flat", flat: { mode: 64 }, cpus: 2 },
  judge: exits(64, "long mode\n"),
});

/** What is left of a machine with virtio devices. */
export const virtioGivenBack: SelfTestCase = givenBack({
  name: "virtio-given-back",
  area: "virtio",
  title: "virtio devices and their thread are given back",
  needs: ["kvm", "io_uring"],
  image: "virtio-idle",
  config: { memory: "32M", cmdline: PCI.parameters, rng: true, balloon: true, console: "virtio" },
  judge: allReady(3),
});
