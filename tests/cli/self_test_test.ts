/**
 * `denovisor self-test`: as a process, with its guests on this host's KVM; and its action, with cases and a process
 * that exist only here.
 * @module
 */
import assert from "node:assert/strict";
import { Kvm, KvmUnavailableError } from "../../src/kvm/mod.ts";
import { SysError } from "../../src/ffi/mod.ts";
import { type SelfTestHost, selfTestWith, thisProgram } from "../../src/cli/self_test/action.ts";
import type { SelfTestCase } from "../../src/cli/self_test/case.ts";
import { CASES } from "../../src/cli/self_test/cases.ts";
import { guestCase } from "../../src/cli/self_test/guest_case.ts";
import { outcome } from "../../src/cli/self_test/guest.ts";
import { exits } from "../../src/cli/self_test/judges/ends.ts";
import type { SelfTestReport } from "../../src/cli/self_test/report.ts";
import type { SelfTestOptions } from "../../src/cli/self_test/spec.ts";
import { fakeCase } from "../../src/cli/self_test/testing.ts";
import { FakeSystem } from "./fakes.ts";
import { denovisor, EXECUTABLE, programTest, spawnDenovisor } from "./process.ts";

function hasKvm(): boolean {
  try {
    using _kvm = Kvm.open();
    return Deno.build.arch === "x86_64";
  } catch {
    return false;
  }
}

const ignore = !hasKvm();
const needs = ignore ? " (needs /dev/kvm)" : "";

programTest(`every case passes, or says what this host lacks for it${needs}`, async () => {
  const { status, out, err } = await denovisor(["self-test"]);
  assert.deepEqual([status, err], [0, ""], out);
  const rows = [...out.matchAll(/^ {2}(pass|skip|FAIL) {2}(\S+) /gm)].map(([, , name]) => name);
  assert.deepEqual(rows, CASES.map(({ name }) => name));
  assert.match(out, /\n\n\d+ passed, 0 failed, \d+ skipped in [\d.]+ m?s\n$/);
  for (const [, reason] of out.matchAll(/^ {2}skip {2}\S+ +(.*)$/gm)) {
    assert.match(reason, /^skipped: \S/);
  }
}, { ignore });

programTest(`the report as JSON has every case with its result and time${needs}`, async () => {
  const { status, out, err } = await denovisor(["self-test", "--json", "pit", "file"]);
  assert.deepEqual([status, err], [0, ""]);
  const report: SelfTestReport = JSON.parse(out);
  assert.deepEqual(report.cases.map(({ name }) => name), ["file", "pit"]);
  const [file, pit] = report.cases;
  assert.equal(pit.result, "pass");
  assert(pit.milliseconds > 0 && pit.milliseconds <= report.milliseconds);
  assert.deepEqual([report.failed, report.notRun], [0, 0]);
  if (EXECUTABLE === undefined) {
    assert.deepEqual([report.carrier, file.result], ["source", "skip"]);
    assert.match(file.reason ?? "", /source tree/);
  } else assert.notEqual(report.carrier, "source");
}, { ignore });

programTest("cases are listed without being run, also by name and by words", async () => {
  const all = await denovisor(["self-test", "--list"]);
  assert.deepEqual([all.status, all.err], [0, ""]);
  for (const { name, title } of CASES) {
    assert(all.out.includes(` ${name} `) && all.out.includes(title));
  }
  const some = await denovisor(["self-test", "--list", "virtio", "--filter", "disk memory"]);
  const names = [...some.out.matchAll(/^ {2}(\S+)/gm)].map(([, name]) => name);
  assert.deepEqual(names, ["virtio-block-mmio", "virtio-block-pci"]);
});

programTest("a case that does not exist ends with status 123 and where to look", async () => {
  for (const args of [["virtio-tape"], ["--filter", "no such words"]]) {
    const { status, out, err } = await denovisor(["self-test", ...args]);
    assert.deepEqual([status, out], [123, ""]);
    assert.match(err, /^denovisor: .*(virtio-tape|no such words).* --list shows all\n$/);
  }
});

programTest(
  `SIGINT ends the self-test with status 130 and tells what was done${needs}`,
  async () => {
    const child = spawnDenovisor(["self-test"]);
    const [forTest, forEnd] = child.stdout.tee();
    const reader = forTest.pipeThrough(new TextDecoderStream()).getReader();
    let seen = "";
    while (!seen.includes("real-mode")) {
      const { value, done } = await reader.read();
      assert(!done, seen);
      seen += value;
    }
    child.kill("SIGINT");
    await reader.cancel();
    const [{ code }, out, err] = await Promise.all([
      child.status,
      new Response(forEnd).text(),
      new Response(child.stderr).text(),
      child.stdin.close(),
    ]);
    assert.deepEqual([code, err], [130, ""]);
    assert.match(out, /\n\d+ passed, 0 failed, \d+ skipped, \d+ not run in .*\n$/);
  },
  { ignore },
);

interface Result {
  readonly status: number;
  readonly system: FakeSystem;
}

/** Runs the action itself. */
async function run(
  cases: readonly SelfTestCase[],
  options: Partial<SelfTestOptions> & { readonly terminal?: boolean } = {},
  host: Partial<SelfTestHost> = {},
): Promise<Result> {
  const { terminal = false, ...rest } = options;
  const system = new FakeSystem(terminal);
  const all = { filter: undefined, list: false, json: false, ...rest };
  const status = await selfTestWith({ ...fakeHost, ...host, cases }, [], all, system);
  return { status, system };
}

const fakeHost: SelfTestHost = {
  cases: [],
  create: () => Promise.reject(new Error("no case here has a machine")),
  checkKvm() {},
  checkIoUring() {},
  patience: 10_000,
};

const realMode = { protocol: "flat", flat: { mode: 16, address: 0x7c00 } } as const;

Deno.test({
  name: `a guest that does otherwise than it has to fails, with its console, and status 1${needs}`,
  ignore,
  fn: async () => {
    const cases = [
      guestCase({
        name: "wrong",
        area: "entry",
        title: "real mode is unreal",
        image: "real-mode",
        config: realMode,
        judge: exits(16, "unreal mode\n"),
      }),
      guestCase({
        name: "right",
        area: "entry",
        title: "and the next one is run all the same",
        image: "real-mode",
        config: realMode,
        judge: exits(16, "real mode\n"),
      }),
    ];
    const { create } = thisProgram;
    const { status, system } = await run(cases, {}, { create });
    assert.equal(status, 1);
    assert.match(
      system.out,
      new RegExp(
        "^Ways into a guest\n {2}FAIL {2}wrong .* {2}real mode is unreal\n" +
          ' {8}-> what was printed is "real mode\\\\n" and has to be "unreal mode\\\\n"\n' +
          " {8}the last lines of its console:\n {10}real mode\n {2}pass {2}right .*\n\n" +
          "1 passed, 1 failed, 0 skipped in ",
      ),
    );
    const json: SelfTestReport = JSON.parse(
      (await run(cases, { json: true }, { create })).system.out,
    );
    assert.deepEqual([json.passed, json.failed], [1, 1]);
    assert.deepEqual(json.cases[0].console, ["real mode"]);
    assert.match(json.cases[0].reason ?? "", /unreal/);
  },
});

Deno.test({
  name: `a guest that never ends fails when its time is up, and the next one is run${needs}`,
  ignore,
  fn: async () => {
    const busy = { area: "end", title: "it ends", image: "busy", config: {} } as const;
    const cases = [guestCase({ ...busy, name: "endless", judge: outcome }), fakeCase("next")];
    const { status, system } = await run(cases, {}, { create: thisProgram.create, patience: 500 });
    assert.equal(status, 1);
    assert.match(system.out, /FAIL {2}endless .*\n {8}-> not done after 500 ms\n.*\n {10}ready\n/);
    assert.match(system.out, /pass {2}next/);
  },
});

Deno.test("without KVM there is one message with the remedy, as doctor tells it, and its status", async () => {
  const unavailable = {
    checkKvm() {
      throw new KvmUnavailableError("missing", "/dev/kvm", "there is no /dev/kvm", "load it");
    },
  };
  const cases = [fakeCase("first"), fakeCase("guest", undefined, { needs: ["kvm"] })];
  const { status, system } = await run(cases, {}, unavailable);
  assert.deepEqual([status, system.out], [125, ""]);
  assert.equal(system.err, "denovisor: there is no /dev/kvm; load it\n");
  const json = await run(cases, { json: true }, unavailable);
  assert.equal(json.status, 125);
  const { problem, notRun }: SelfTestReport = JSON.parse(json.system.out);
  assert.deepEqual([problem, notRun], ["there is no /dev/kvm; load it", 2]);
  assert.equal((await run([cases[0]], {}, unavailable)).status, 0, "what needs no KVM is run");
});

Deno.test("without io_uring what needs it is skipped with the reason, and asked for once", async () => {
  let asked = 0;
  const refused = {
    checkIoUring() {
      asked++;
      throw new SysError("io_uring_setup", 1, "setting up an io_uring");
    },
  };
  const virtio = ["one", "two"].map((name) => fakeCase(name, undefined, { needs: ["io_uring"] }));
  const { status, system } = await run([...virtio, fakeCase("three")], {}, refused);
  assert.deepEqual([status, asked], [0, 1]);
  assert.match(system.out, /skip {2}one .*skipped: needs io_uring: .*io_uring_setup/);
  assert.match(system.out, /\n1 passed, 0 failed, 2 skipped in /);
});

for (const [signal, expected] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
  Deno.test(`${signal} stops the case that is under way, and what was done is told`, async () => {
    const begun = Promise.withResolvers<void>();
    let gaveUp = false;
    const slow = fakeCase("slow", async ({ signal }) => {
      begun.resolve();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      gaveUp = true;
    });
    const system = new FakeSystem(false);
    const cases = [fakeCase("done"), slow, fakeCase("next")];
    const options = { filter: undefined, list: false, json: false };
    const status = selfTestWith({ ...fakeHost, cases }, [], options, system);
    await begun.promise;
    system.send(signal);
    assert.deepEqual([await status, gaveUp], [expected, true]);
    assert.match(system.out, /pass {2}done/);
    assert.doesNotMatch(system.out, /slow|next/);
    assert.match(system.out, /\n1 passed, 0 failed, 0 skipped, 2 not run in /);
    assert.equal(system.listens(signal), false);
  });
}

Deno.test("a reader that has gone ends the self-test with status 141, and begins no other case", async () => {
  const system = new FakeSystem(false);
  let begun = 0;
  const cases = ["one", "two", "three"].map((name) =>
    fakeCase(name, () => Promise.resolve(void begun++))
  );
  system.stdout.writeSync = () => {
    if (begun === 2) throw new Deno.errors.BrokenPipe("Broken pipe (os error 32)");
  };
  const options = { filter: undefined, list: false, json: false };
  assert.equal(await selfTestWith({ ...fakeHost, cases }, [], options, system), 141);
  assert.equal(begun, 2);
});

Deno.test("a report that can't be written is an error of the host, with no progress left behind", async () => {
  for (const options of [{ json: true }, { list: true }, {}]) {
    const system = new FakeSystem(true);
    system.stdout.writeSync = () => {
      throw new Error("No space left on device (os error 28)");
    };
    const all = { filter: undefined, list: false, json: false, ...options };
    const test = selfTestWith({ ...fakeHost, cases: [fakeCase("one")] }, [], all, system);
    await assert.rejects(test, { name: "HostError", message: /No space left on device/ });
    assert(system.err === "" || system.err.endsWith("\r\x1b[K"), JSON.stringify(system.err));
    assert.equal(system.listens("SIGINT"), false);
  }
});

Deno.test("a terminal shows what is under way and in the end nothing of that; a file never does", async () => {
  const cases = [fakeCase("one"), fakeCase("two")];
  const { system } = await run(cases, { terminal: true });
  const clear = "\r\x1b[K";
  assert.equal(
    system.err,
    `${clear}  1/2 one ...${clear}${clear}  2/2 two ...${clear}`,
  );
  assert.equal((await run(cases)).system.err, "");
});
