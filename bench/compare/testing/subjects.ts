/**
 * Tiny subjects for tests of what measures subjects, and the program that does so: it takes what
 * `deno task compare` takes.
 * @module
 */
import { join } from "node:path";
import { compare } from "../run.ts";
import { type Extent, OURS, type Report, type Subject } from "../report.ts";
import { measures, takeTurns } from "../rounds.ts";

function subject(name: string, measure: Subject["measure"], rest: Partial<Subject> = {}): Subject {
  return {
    name,
    title: `The ${name} one`,
    about: `A subject that is ${name}.`,
    rig: "direct",
    needs: {},
    extent: { seconds: 1, rounds: 2 },
    measure,
    ...rest,
  };
}

async function quick(extent: Extent): Promise<Report> {
  let turn = 0;
  const rounds = await takeTurns({
    [OURS]: () => Promise.resolve(++turn),
    C: () => Promise.resolve(2 * ++turn),
  }, extent);
  return {
    measures: measures(rounds, [{
      name: "turn",
      unit: "s",
      better: "less",
      goals: [{ by: "C", atMost: 10 }],
      pick: (value) => value * extent.seconds,
    }]),
    commands: { [OURS]: "ours", C: "theirs" },
    notes: [],
  };
}

/** Makes a file and starts a process, and says so. */
async function start(name: string): Promise<Deno.ChildProcess> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(join(folder, "file"), "left");
  const child = new Deno.Command("/bin/sleep", { args: ["1000"] }).spawn();
  Deno.stderr.writeSync(new TextEncoder().encode(`${name}: ${child.pid} ${folder}\n`));
  return child;
}

async function slow(): Promise<Report> {
  await (await start("slow")).status;
  throw new Error("slept enough");
}

async function crash(): Promise<Report> {
  await start("crashing");
  Deno.exit(70);
}

/** The subjects. */
export const FAKES: readonly Subject[] = [
  subject("quick", quick),
  subject("failing", () => Promise.reject(new Error("the guest fell over"))),
  subject("crashing", crash),
  subject("lacking", quick, { needs: { "/no/such/file": "no-such-package-anywhere" } }),
  subject("uneven", async (extent) => {
    const { measures: [measure], ...rest } = await quick(extent);
    return { ...rest, measures: [{ ...measure, values: { ...measure.values, C: [1] } }] };
  }),
  subject("slow", slow, { long: true }),
  subject("far", quick, {
    rig: "lab",
    long: true,
    fetch: () => {
      Deno.stderr.writeSync(new TextEncoder().encode("far: fetched\n"));
      return Promise.resolve();
    },
  }),
];

if (import.meta.main) {
  Deno.exitCode = await compare(Deno.args, { subjects: FAKES, entry: import.meta.filename! });
}
