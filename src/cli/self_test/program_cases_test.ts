import assert from "node:assert/strict";
import { Fd, O_RDONLY } from "../../ffi/mod.ts";
import { PARTS, type Parts } from "../../parts/carrier.ts";
import type { CaseContext } from "./case.ts";
import { Mismatch, Skip } from "./expect.ts";
import { givenBack, PROGRAM_CASES } from "./program_cases.ts";
import { FakeGuest } from "./testing.ts";

const context: CaseContext = {
  signal: new AbortController().signal,
  create: () => Promise.resolve(new FakeGuest()),
};

/** Runs a case of the program in an executable that is made so. */
async function carriedBy(parts: Partial<Parts>, name: string): Promise<void> {
  const global = globalThis as { [PARTS]?: Partial<Parts> };
  const before = global[PARTS];
  global[PARTS] = parts;
  try {
    await PROGRAM_CASES.find((each) => each.name === name)!.run(context);
  } finally {
    if (before === undefined) delete global[PARTS];
    else global[PARTS] = before;
  }
}

Deno.test("a damaged executable is told, one that can't tell is skipped, a whole one passes", async () => {
  await carriedBy({ verify: () => Promise.resolve(undefined) }, "file");
  await assert.rejects(
    carriedBy({ verify: () => Promise.resolve("byte 7 is wrong") }, "file"),
    new Mismatch("byte 7 is wrong"),
  );
  await assert.rejects(carriedBy({}, "file"), Skip);
});

Deno.test("a file of the program that is empty is told by its name", async () => {
  const asset = (empty?: string) => (name: string) => new Uint8Array(name === empty ? 0 : 1);
  await carriedBy({ asset: asset() }, "parts");
  await assert.rejects(carriedBy({ asset: asset("pit") }, "parts"), new Mismatch("pit is empty"));
});

const idle = {
  name: "given-back",
  area: "end",
  title: "nothing is left",
  needs: [],
  image: "long-mode",
  config: {},
  judge: () => Promise.resolve(),
} as const;

Deno.test("a machine that leaves a descriptor behind is told with what that leads to", async () => {
  await givenBack(idle).run(context);
  using kept = new DisposableStack();
  const leaky: CaseContext = {
    ...context,
    create: () => {
      kept.use(Fd.open("/dev/full", O_RDONLY));
      return context.create({ kernel: "" }, { signal: context.signal, log: () => {} });
    },
  };
  await assert.rejects(
    givenBack(idle, 50).run(leaky),
    new Mismatch("a machine left behind: descriptor of /dev/full"),
  );
});

Deno.test("every machine is given back, whatever its judge says", async () => {
  const guests: FakeGuest[] = [];
  const watched: CaseContext = {
    ...context,
    create: () => {
      guests.push(new FakeGuest());
      return Promise.resolve(guests.at(-1)!);
    },
  };
  const judge = () => Promise.reject(new Mismatch("no"));
  await assert.rejects(givenBack({ ...idle, judge }).run(watched), { name: "GuestCaseError" });
  await givenBack(idle).run(watched);
  assert.deepEqual(guests.map(({ started, released }) => [started, released]), [
    [true, true],
    [true, true],
    [true, true],
  ]);
});
