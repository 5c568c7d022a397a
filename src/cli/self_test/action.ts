/**
 * `denovisor self-test`: small guests, each in a machine of its own, show that all works on this host.
 * @module
 */
import { probeIoUring } from "../../ffi/mod.ts";
import { Kvm } from "../../kvm/mod.ts";
import { Machine } from "../../machine/mod.ts";
import { build } from "../../parts/mod.ts";
import { deliver } from "../deliver.ts";
import { messageOf, statusOf } from "../errors.ts";
import { EXIT_FAILED, EXIT_OK, EXIT_OUTPUT_CLOSED, signalStatus } from "../exit_status.ts";
import { endOnSignals } from "../run/signals.ts";
import { Stopper, type StopReason } from "../run/stopper.ts";
import { mayPaint } from "../paint.ts";
import { print, say, type System } from "../system.ts";
import { VERSION } from "../version.ts";
import type { CreateGuestMachine, Requirement, SelfTestCase } from "./case.ts";
import { CASES } from "./cases.ts";
import { reportOn, type SelfTestReport, summary, Table } from "./report.ts";
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
 * @throws {HostError} the report can't be written
 */
export async function selfTestWith(
  host: SelfTestHost,
  operands: readonly string[],
  options: SelfTestOptions,
  system: System,
): Promise<number> {
  const cases = select(host.cases, operands, options.filter ?? "");
  const table = new Table(cases, mayPaint(system));
  if (options.list) return deliver(system, cases.map((each) => table.listed(each)).join(""));

  const began = performance.now();
  const reportWith = (results: readonly CaseResult[], problem?: string): SelfTestReport => {
    const { carrier } = build();
    const milliseconds = performance.now() - began;
    return reportOn({ version: VERSION, carrier, cases, results, milliseconds, problem });
  };
  const stopper = new Stopper();
  const tell = (text: string) => {
    // Whoever has read enough has no use for the rest.
    if (deliver(system, text) !== EXIT_OK) stopper.request({ kind: "output-closed" });
  };
  const tellJson = (report: SelfTestReport) => tell(JSON.stringify(report, null, 2) + "\n");

  if (cases.some(({ needs }) => needs.includes("kvm"))) {
    try {
      host.checkKvm();
    } catch (error) {
      if (options.json) tellJson(reportWith([], messageOf(error)));
      say(system, messageOf(error));
      return statusOf(error);
    }
  }

  using _signals = endOnSignals(system, stopper);
  using progress = new Progress(system, cases.length);
  const results = await runCases(cases, {
    create: host.create,
    signal: stopper.signal,
    lack: lacks(host),
    patience: host.patience,
    began: ({ name }) => progress.show(name),
    done: (result) => {
      progress.clear();
      if (!options.json) tell(table.row(result));
    },
  });
  progress.clear();
  const report = reportWith(results);
  if (options.json) tellJson(report);
  else tell(`\n${summary(report)}\n`);
  return statusAfter(report, stopper.reason);
}

/** The exit status of a self-test that was run, as far as it was let. */
function statusAfter(report: SelfTestReport, reason: StopReason | undefined): number {
  if (reason?.kind === "signal") return signalStatus(reason.signal);
  if (reason?.kind === "output-closed") return EXIT_OUTPUT_CLOSED;
  return report.failed > 0 ? EXIT_FAILED : EXIT_OK;
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
class Progress implements Disposable {
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
  /** The same as {@linkcode clear}. */
  [Symbol.dispose](): void {
    this.clear();
  }
}
