/**
 * A cable that drops, delays, reorders, duplicates and corrupts packets, as its rules say.
 *
 * What is on its way stays so over a pause, and is lost when the driver resets the card, or the machine is saved:
 * networks lose packets. Rules are the host's wish, as limits are, not state. Switched off, all that is on its way
 * arrives at once.
 * @module
 */
import { FaultTrigger } from "../../faults/mod.ts";
import type { Metrics } from "../../metrics.ts";
import { corrupt } from "./corrupt.ts";
import type { NetMetric } from "./counters.ts";
import type { DelayLine } from "./delay_line.ts";
import type { NetFault } from "./fault_rules.ts";

/** What counts the faults of a cable. */
export type FaultMetrics = Pick<Metrics<NetMetric>, "add">;

/** One rule at work, in one direction. */
class Rule extends FaultTrigger {
  constructor(readonly fault: NetFault) {
    super(fault);
  }
}

/** What happens to packets in one direction. Shared by all ports of a card. */
export class Fate {
  readonly #metrics: FaultMetrics;
  readonly #direction: "rx" | "tx";
  #rules: readonly Rule[] = [];

  constructor(direction: "rx" | "tx", metrics: FaultMetrics) {
    this.#direction = direction;
    this.#metrics = metrics;
  }

  /** Whether anything happens to packets. */
  get active(): boolean {
    return this.#rules.length > 0;
  }

  /** Other rules, of whichever direction; none switch all faults off. */
  set(faults: readonly NetFault[]): void {
    this.#rules = faults.filter(({ direction = "both" }) =>
      direction === "both" || direction === this.#direction
    ).map((fault) => new Rule(fault));
  }

  /** What came of a rule in this direction. */
  tally(fault: NetFault): { seen: number; hits: number } {
    const rule = this.#rules.find((rule) => rule.fault === fault);
    return { seen: rule?.seen ?? 0, hits: rule?.hits ?? 0 };
  }

  /** Sends a packet on its way. @param packet is copied */
  meet(packet: Uint8Array, line: DelayLine, now: number): void {
    const rule = this.#rules.find((rule) => rule.fires());
    const bytes = packet.slice();
    if (rule === undefined) return this.#send(line, bytes, now);
    const { random } = rule;
    const { down = false, drop, delay = 0, jitter = 0, reorder, duplicate, corrupt: rate } =
      rule.fault;
    // A chance is taken where there is one, and only there: rules without it are not changed by it.
    if (down || (drop !== undefined && random.chance(drop))) {
      return this.#metrics.add("faults_dropped");
    }
    if (rate !== undefined && random.chance(rate)) {
      this.#metrics.add("faults_corrupted");
      if (!corrupt(bytes, random)) return;
    }
    const late = jitter === 0 ? delay : delay + jitter * (2 * random.next() - 1);
    const overtaken = reorder !== undefined && random.chance(reorder);
    const twice = duplicate !== undefined && random.chance(duplicate);
    if (late > 0) this.#metrics.add("faults_delayed");
    if (overtaken) this.#metrics.add("faults_reordered");
    if (twice) {
      this.#metrics.add("faults_duplicated");
      this.#send(line, bytes, now + late);
    }
    this.#send(line, bytes, now + late, overtaken);
  }

  #send(line: DelayLine, bytes: Uint8Array, at: number, overtaken = false): void {
    if (!line.push(bytes, at, overtaken)) this.#metrics.add("faults_dropped");
  }
}

/** The faults of a card in both directions. */
export class NetFaults {
  readonly receive: Fate;
  readonly transmit: Fate;
  #faults: readonly NetFault[] = [];

  constructor(metrics: FaultMetrics) {
    this.receive = new Fate("rx", metrics);
    this.transmit = new Fate("tx", metrics);
  }

  set(faults: readonly NetFault[]): void {
    this.#faults = faults;
    this.receive.set(faults);
    this.transmit.set(faults);
  }

  /** The rules, and what came of each, in both directions together. */
  show(): unknown {
    return this.#faults.map((fault) => {
      const [rx, tx] = [this.receive.tally(fault), this.transmit.tally(fault)];
      return { ...fault, seen: rx.seen + tx.seen, hits: rx.hits + tx.hits };
    });
  }
}
