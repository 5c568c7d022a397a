import assert from "node:assert/strict";
import type { SelfTestCase } from "./case.ts";
import { GuestCaseError } from "./case.ts";
import { Mismatch, Skip } from "./expect.ts";
import { type CaseResult, runCases, type RunnerOptions } from "./runner.ts";
import { fakeCase } from "./testing.ts";

async function run(
  cases: readonly SelfTestCase[],
  options: Partial<RunnerOptions> = {},
): Promise<CaseResult[]> {
  const done: CaseResult[] = [];
  const results = await runCases(cases, {
    create: () => Promise.reject(new Error("no case here has a machine")),
    signal: new AbortController().signal,
    lack: () => undefined,
    patience: 10_000,
    began: () => {},
    done: (result) => done.push(result),
    ...options,
  });
  assert.deepEqual(options.done === undefined ? done : results, results);
  return results;
}

async function outcomeOf(error: unknown): Promise<CaseResult["outcome"]> {
  const [{ outcome }] = await run([fakeCase("one", () => Promise.reject(error))]);
  return outcome;
}

Deno.test("cases are run in order, each after the one before has ended", async () => {
  const seen: string[] = [];
  const cases = ["a", "b", "c"].map((name) =>
    fakeCase(name, async () => {
      seen.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 1));
      seen.push(`${name} ends`);
    })
  );
  const results = await run(cases, { began: ({ name }) => void seen.push(name) });
  assert.deepEqual(
    seen,
    ["a", "b", "c"].flatMap((name) => [name, `${name} begins`, `${name} ends`]),
  );
  assert.deepEqual(results.map(({ outcome }) => outcome.result), ["pass", "pass", "pass"]);
  assert(results.every(({ milliseconds }) => milliseconds > 0));
});

Deno.test("what doesn't hold fails with its own words, and the others are run", async () => {
  const bad = fakeCase("bad", () => Promise.reject(new Mismatch("two is three")));
  const results = await run([bad, fakeCase("good")]);
  assert.deepEqual(results.map(({ outcome }) => outcome), [
    { result: "fail", reason: "two is three", console: [], log: [] },
    { result: "pass" },
  ]);
});

Deno.test("a bug shows where it is, and one that comes at once is no other", async () => {
  const outcome = await outcomeOf(new TypeError("x is not a function"));
  assert(outcome.result === "fail");
  assert.match(outcome.reason, /x is not a function\n\s+at /);
  const at_once = fakeCase("one", () => {
    throw new Mismatch("at once");
  });
  const [result] = await run([at_once]);
  assert(result.outcome.result === "fail" && result.outcome.reason === "at once");
});

Deno.test("a guest's failure comes with its console and what its devices say", async () => {
  const error = new GuestCaseError(new Mismatch("no"), ["hello"], ["disk0: broken"]);
  const expected = { result: "fail", reason: "no", console: ["hello"], log: ["disk0: broken"] };
  assert.deepEqual(await outcomeOf(error), expected);
});

Deno.test("what can't be tried is skipped, also where a guest finds that out", async () => {
  const expected = { result: "skip", reason: "no wings" };
  assert.deepEqual(await outcomeOf(new Skip("no wings")), expected);
  assert.deepEqual(await outcomeOf(new GuestCaseError(new Skip("no wings"), [], [])), expected);
});

Deno.test("a case is not begun where the host lacks what it needs", async () => {
  let begun = false;
  const needy = fakeCase("needy", () => Promise.resolve(void (begun = true)), {
    needs: ["kvm", "io_uring"],
  });
  const lack = (what: string) => what === "io_uring" ? "no io_uring here" : undefined;
  const [{ outcome }] = await run([needy], { lack });
  assert.deepEqual(outcome, { result: "skip", reason: "no io_uring here" });
  assert.equal(begun, false);
});

/** A case that ends when it is told to give up. */
const obedient = (end: (signal: AbortSignal) => Promise<void>) =>
  fakeCase("slow", async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    await end(signal);
  });

Deno.test("a case that takes too long has failed, however it ends then", async () => {
  const cases = [
    obedient(() => Promise.resolve()),
    obedient(() => Promise.reject(new GuestCaseError(new Mismatch("stopped"), ["stuck"], []))),
    fakeCase("next"),
  ];
  const [good, bad, next] = await run(cases, { patience: 20 });
  const reason = "not done after 20 ms";
  assert.deepEqual(good.outcome, { result: "fail", reason, console: [], log: [] });
  assert.deepEqual(bad.outcome, { result: "fail", reason, console: ["stuck"], log: [] });
  assert.equal(next.outcome.result, "pass");
});

Deno.test("a case that ignores that its time is up is left, with its timers", async () => {
  const forever = Promise.withResolvers<void>();
  const results = await run([fakeCase("deaf", () => forever.promise), fakeCase("next")], {
    patience: 1,
    grace: 20,
  });
  assert.deepEqual(results.map(({ outcome }) => outcome.result), ["fail", "pass"]);
  forever.reject(new Error("later, and nobody waits any more"));
  await new Promise((resolve) => setTimeout(resolve, 1));
});

Deno.test("an end from outside stops the case that is under way and begins no other", async () => {
  const controller = new AbortController();
  const seen: string[] = [];
  const results = await run(
    [fakeCase("done"), obedient((signal) => Promise.reject(signal.reason)), fakeCase("next")],
    {
      signal: controller.signal,
      began: ({ name }) => {
        seen.push(name);
        if (name === "slow") setTimeout(() => controller.abort(), 5);
      },
    },
  );
  assert.deepEqual(seen, ["done", "slow"]);
  assert.deepEqual(results.map(({ case: { name } }) => name), ["done"]);
});
