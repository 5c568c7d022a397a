/**
 * Tests with machines: `denovisor/test`.
 *
 * ```ts ignore
 * import { vmTest } from "denovisor/test";
 *
 * vmTest("survives a full disk", { rootfs: "busybox", disks: [{ memory: "64M" }] }, async (vm) => {
 *   const { code } = await vm.guest.exec(["dd", "if=/dev/zero", "of=/dev/vda", "bs=1M"]);
 *   assert.equal(code, 1);
 * });
 * ```
 * @module
 */
import { type Duration, milliseconds } from "../guest/duration.ts";
import { onRestart } from "../host/restart.ts";
import { Kvm, KvmUnavailableError } from "../kvm/mod.ts";
import { probeStockKernels } from "../machine/probe/probe.ts";
import { needsLinux, type StartConfig } from "./config.ts";
import { VmTimeoutError } from "./errors.ts";
import { Machine } from "./machine.ts";
import { takeSlot } from "./slots.ts";

/** How long a test may take, where it does not say. */
const DEFAULT_TIMEOUT = "5m";

/** A test with a machine. */
export interface VmTestConfig extends StartConfig {
  /** How long the test may take, its machine's start included; five minutes by default. */
  readonly timeout?: Duration;
  /** As for `Deno.test`. */
  readonly ignore?: boolean;
  /** As for `Deno.test`. */
  readonly only?: boolean;
  /**
   * What the host has to be able to: `"kvm"`, or `"linux"` for a KVM that runs stock kernels. By default that which the
   * machine's kernel suggests.
   */
  readonly needs?: "kvm" | "linux";
}

/** What is done with the machine. */
export type VmTestFunction = (vm: Machine, t: Deno.TestContext) => unknown;

/** Aborted when a watching `deno test` begins anew: what this isolate has left of tests is not wanted any more. */
const restart = new AbortController();

/** Why this host can't run tests of each need; undefined where it can. */
const lacks: Readonly<Record<"kvm" | "linux", string | undefined>> = await lookAtHost();

async function lookAtHost(): Promise<typeof lacks> {
  try {
    Kvm.open()[Symbol.dispose]();
  } catch (error) {
    if (!(error instanceof KvmUnavailableError)) throw error;
    return { kvm: "/dev/kvm", linux: "/dev/kvm" };
  }
  const { runsStockKernels } = await probeStockKernels();
  return { kvm: undefined, linux: runsStockKernels ? undefined : "a KVM that runs stock kernels" };
}

/**
 * Defines a test for `deno test` that has a machine: boots it, hands it over, and gives it back whatever happens.
 *
 * A test that fails prints the machine's console, events and exits. Where the host can't run the machine the test is
 * ignored, and its name says what it needs. All processes of a user together run so many machines at once as
 * DENOVISOR_TEST_MACHINES says, two for each CPU by default; a test waits for its turn before its time begins.
 *
 * When `deno test --watch` begins anew in the middle of a test, the test fails and its machine is given back.
 *
 * @param config the machine
 * @param fn gets the machine, which has been started
 */
export function vmTest(name: string, config: VmTestConfig, fn: VmTestFunction): void {
  const { timeout = DEFAULT_TIMEOUT, ignore = false, only = false, needs, ...machine } = config;
  const limit = milliseconds(timeout);
  const missing = lacks[needs ?? (needsLinux(machine) ? "linux" : "kvm")];
  Deno.test({
    name: missing === undefined ? name : `${name} (needs ${missing})`,
    ignore: ignore || missing !== undefined,
    only,
    fn: async (t) => {
      using _restarts = onRestart(() => {
        restart.abort(new Error("deno test begins anew, for a file has changed"));
      });
      restart.signal.throwIfAborted();
      using _slot = await takeSlot(restart.signal);
      await runWithin(limit, machine, (vm) => fn(vm, t));
    },
  });
}

/** Runs the test's function with a machine, for so many milliseconds at most. */
async function runWithin(
  limit: number,
  config: StartConfig,
  fn: (vm: Machine) => unknown,
): Promise<void> {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(new VmTimeoutError(`the test takes longer than ${limit / 1000} s`, []));
  }, limit);
  try {
    const signal = AbortSignal.any([controller.signal, restart.signal]);
    await using vm = await Machine.start(config, { signal });
    const aborted = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
    try {
      await Promise.race([fn(vm), aborted.promise]);
    } catch (error) {
      if (!restart.signal.aborted) await report(vm);
      throw error;
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Prints what is known of a machine whose test has failed. */
async function report(vm: Machine): Promise<void> {
  const state = vm.state;
  const exits = vm.exits.map((counts, vcpu) => `  vCPU ${vcpu}: ${JSON.stringify(counts)}`);
  await vm.stop().catch(() => {});
  const events: string[] = [];
  for await (const { at, kind, ...more } of vm.events()) {
    events.push(`  ${(at / 1000).toFixed(3)} s  ${kind} ${JSON.stringify(more)}`);
  }
  const lines = [
    `the machine was ${state} when the test failed; its events:`,
    ...events,
    "its exits:",
    ...exits,
    "its console's last lines:",
    ...vm.console.lastLines.map((line) => `  ${line}`),
  ];
  Deno.stderr.writeSync(new TextEncoder().encode(`${lines.join("\n")}\n`));
}
