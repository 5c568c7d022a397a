/**
 * `denovisor self-test`: small guests, each in a machine of its own, show that all works on this host.
 * @module
 */
import { probeIoUring } from "../../ffi/mod.ts";
import { Kvm } from "../../kvm/mod.ts";
import { Machine } from "../../machine/mod.ts";
import { build } from "../../parts/mod.ts";
import { messageOf, statusOf } from "../errors.ts";
import { EXIT_FAILED, EXIT_OK, signalStatus } from "../exit_status.ts";
import { endOnSignals } from "../run/signals.ts";
import { Stopper } from "../run/stopper.ts";
import { mayPaint } from "../paint.ts";
import { print, say, type System } from "../system.ts";
import { VERSION } from "../version.ts";
import type { CreateGuestMachine, Requirement, SelfTestCase } from "./case.ts";
import { CASES } from "./cases.ts";
import { reportOn, type SelfTestRun, summary, Table } from "./report.ts";
import { type CaseResult, runCases } from "./runner.ts";
import { select } from "./select.ts";
import type { SelfTestOptions } from "./spec.ts";

/** How long a case may take, in milliseconds: on a busy, emulated host a hundred times what it takes elsewhere. */
const PATIENCE_MS = 60_000;

/** What a self-test works with, so that tests can give it something else. */
export interface SelfTestHost {
  readonly cases: readonly SelfTestCase[];
  readonly create: CreateGuestMachine;
  /** @throws {KvmUnavailableError} where no machine can be built */
  checkKvm(): void;
  /** @throws {SysError} where no virtio device can be built */
  checkIoUring(): void;
  /** How long a case may take, in milliseconds. */
  readonly patience: number;
}

/** This program on this host. */
export const thisProgram: SelfTestHost = {
  cases: CASES,
  create: (config, options) => Machine.create(config, options),
  checkKvm() {
    using _kvm = Kvm.open();
  },
  checkIoUring: () => void probeIoUring(),
  patience: PATIENCE_MS,
};

/** The action of the verb. @returns the exit status */
export function selfTest(
  operands: readonly string[],
  options: SelfTestOptions,
  system: System,
): Promise<number> {
  return selfTestWith(thisProgram, operands, options, system);
}

/**
 * Runs the cases of a host that the operands and options pick.
 *
 * @returns the exit status
 * @throws {UsageError} operands that name no case
 */
export async function selfTestWith(
  host: SelfTestHost,
  operands: readonly string[],
  options: SelfTestOptions,
  system: System,
): Promise<number> {
  const cases = select(host.cases, operands, options.filter ?? "");
  const table = new Table(cases, mayPaint(system));
  if (options.list) {
    print(system.stdout, cases.map((each) => table.listed(each)).join(""));
    return EXIT_OK;
  }
  const began = performance.now();
  const run = (results: readonly CaseResult[], problem?: string): SelfTestRun => {
    const { carrier } = build();
    const milliseconds = performance.now() - began;
    return { version: VERSION, carrier, cases, results, milliseconds, problem };
  };
  const printJson = (run: SelfTestRun) =>
    print(system.stdout, JSON.stringify(reportOn(run), null, 2) + "\n");

  if (cases.some(({ needs }) => needs.includes("kvm"))) {
    try {
      host.checkKvm();
    } catch (error) {
      if (options.json) printJson(run([], messageOf(error)));
      say(system, messageOf(error));
      return statusOf(error);
    }
  }

  const stopper = new Stopper();
  using _signals = endOnSignals(system, stopper);
  const progress = new Progress(system, cases.length);
  const results = await runCases(cases, {
    create: host.create,
    signal: stopper.signal,
    lack: lacks(host),
    patience: host.patience,
    began: ({ name }) => progress.show(name),
    done: (result) => {
      progress.clear();
      if (!options.json) print(system.stdout, table.row(result));
    },
  });
  progress.clear();
  const finished = run(results);
  if (options.json) printJson(finished);
  else print(system.stdout, `\n${summary(reportOn(finished))}\n`);
  const { reason } = stopper;
  if (reason?.kind === "signal") return signalStatus(reason.signal);
  return results.some(({ outcome }) => outcome.result === "fail") ? EXIT_FAILED : EXIT_OK;
}

/** Tells what the host lacks, and looks once. */
function lacks(host: SelfTestHost): (requirement: Requirement) => string | undefined {
  let ioUring: { readonly problem: string | undefined } | undefined;
  const look = () => {
    try {
      host.checkIoUring();
      return { problem: undefined };
    } catch (error) {
      return { problem: `needs io_uring: ${messageOf(error)}` };
    }
  };
  // Without KVM it does not come to this.
  return (requirement) => requirement === "io_uring" ? (ioUring ??= look()).problem : undefined;
}

/** What is under way, on a line of the terminal that the next line replaces. */
class Progress {
  #number = 0;
  #shown = false;

  constructor(private readonly system: System, private readonly count: number) {}

  show(name: string): void {
    this.#number++;
    if (!this.system.stderr.isTerminal()) return;
    this.#shown = true;
    print(this.system.stderr, `\r\x1b[K  ${this.#number}/${this.count} ${name} ...`);
  }

  clear(): void {
    if (!this.#shown) return;
    this.#shown = false;
    print(this.system.stderr, "\r\x1b[K");
  }
}
