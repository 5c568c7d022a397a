import assert from "node:assert/strict";
import { join } from "node:path";
import { readKept } from "./record.ts";
import { compare } from "./run.ts";
import { FAKES } from "./testing/subjects.ts";

const ENTRY = join(import.meta.dirname!, "testing/subjects.ts");

/** Runs what `deno task compare` runs, with subjects of the tests'. */
function start(args: readonly string[], env: Record<string, string> = {}): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", ENTRY, ...args],
    env,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs it to its end, on a host without git, compilers and apt. */
async function run(...args: string[]) {
  const { code, stdout, stderr } = await start(args, { PATH: "/nowhere" }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-frame-test-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (!isDirectory) names.push(name);
    else names.push(...(await filesIn(join(folder, name))).map((inner) => `${name}/${inner}`));
  }
  return names.sort();
}

Deno.test("a run of all keeps what was measured, names what failed, and ends with status 1", async () => {
  await withFolder(async (folder) => {
    const { code, stdout, stderr } = await run("--folder", folder);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /^compare: failing: the guest fell over$/m);
    assert.match(stderr, /^compare: crashing: measuring crashing ended with status 70$/m);
    assert.match(stderr, /^compare: uneven: .* 2 values of denovisor and 1 of C$/m);
    assert.match(stdout, /^The quick one, on /m);
    assert.doesNotMatch(stdout + stderr, /slow|far/, "what takes long is only run by its name");
    assert.deepEqual(await filesIn(folder), [
      "RESULTS.md",
      "results/direct/lacking.json",
      "results/direct/quick.json",
      "results/goals.svg",
      "results/lacking.svg",
      "results/quick.svg",
    ]);
    const report = await Deno.readTextFile(join(folder, "RESULTS.md"));
    assert.ok(report.indexOf("## The quick one") < report.indexOf("## The lacking one"));
  });
});

Deno.test("what is missing is named where it's run, and in the report", async () => {
  await withFolder(async (folder) => {
    const { code, stderr } = await run("lacking", "--folder", folder, "--write");
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^lacking: there is no \/no\/such\/file: .*no apt-get/m);
    const report = await Deno.readTextFile(join(folder, "RESULTS.md"));
    assert.match(report, /^- There is no \/no\/such\/file here: .* no-such-package-anywhere/m);
  });
});

Deno.test("a single subject is printed; only --write keeps it, and leaves the others as they are", async () => {
  await withFolder(async (folder) => {
    const printed = await run("quick", "--folder", folder, "--json", "--rounds", "3");
    assert.equal(printed.code, 0, printed.stderr);
    const [kept] = JSON.parse(printed.stdout);
    assert.deepEqual(kept.extent, { seconds: 1, rounds: 3 });
    assert.deepEqual(kept.report.measures[0].values, { denovisor: [1, 4, 5], C: [4, 6, 12] });
    assert.equal(kept.command, `deno task compare quick --folder ${folder} --json --rounds 3`);
    assert.match(kept.host.kernel, /^Linux/);
    assert.deepEqual(await filesIn(folder), []);

    await run("lacking", "--folder", folder, "--write");
    const path = join(folder, "results/direct/lacking.json");
    const before = await Deno.readTextFile(path);
    await run("quick", "--folder", folder, "--write", "--seconds", "2");
    assert.equal(await Deno.readTextFile(path), before);
    const all = await readKept(join(folder, "results"), FAKES);
    assert.deepEqual(all.map(({ subject, extent }) => [subject.name, extent.seconds]), [
      ["quick", 2],
      ["lacking", 1],
    ]);
    assert.deepEqual(all[0].report.measures[0].values, { denovisor: [2, 8], C: [8, 12] });
    const report = await Deno.readTextFile(join(folder, "RESULTS.md"));
    assert.match(report, /^## The lacking one$/m);

    await Deno.remove(join(folder, "RESULTS.md"));
    await run("--render", "--folder", folder);
    assert.equal(await Deno.readTextFile(join(folder, "RESULTS.md")), report);
  });
});

Deno.test("a result that was changed to nonsense is named, and no report is made of it", async () => {
  await withFolder(async (folder) => {
    await run("quick", "--folder", folder, "--write");
    const path = join(folder, "results/direct/quick.json");
    const kept = JSON.parse(await Deno.readTextFile(path));
    kept.report.measures[0].values.C = ["fast"];
    await Deno.writeTextFile(path, JSON.stringify(kept));
    const { code, stderr } = await run("--render", "--folder", folder);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^compare: the report: .*quick\.json is no result: report\.measures\.0\.values\.C\.0: /,
    );
  });
});

Deno.test("a subject that crashes leaves neither processes nor files", async () => {
  await withFolder(async (folder) => {
    const { code, stderr } = await start(["crashing"], { TMPDIR: folder }).output();
    assert.equal(code, 1);
    const [, pid, made] = /^crashing: (\d+) (.*)$/m.exec(new TextDecoder().decode(stderr))!;
    assert.ok(made.startsWith(folder));
    await gone(`/proc/${pid}`);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("a run that is ended leaves neither processes nor files", async () => {
  await withFolder(async (folder) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const child = start(["slow", "--folder", folder], { TMPDIR: folder });
      const decoder = new TextDecoderStream();
      let told = "";
      const ended = child.stdout.cancel();
      for await (const text of child.stderr.pipeThrough(decoder)) {
        told += text;
        const [, pid, made] = /^slow: (\d+) (.*)$/m.exec(told) ?? [];
        if (pid === undefined) continue;
        assert.ok(made.startsWith(folder), "files are made where they are removed");
        assert.ok((await filesIn(folder)).length > 0);
        child.kill(signal);
        await gone(`/proc/${pid}`);
        await gone(made);
        break;
      }
      assert.equal((await child.status).signal, signal);
      await ended;
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    }
  });
});

/** Waits until a path isn't there any more. */
async function gone(path: string): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    try {
      await Deno.stat(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail(`${path} is still there`);
}

Deno.test("wrong options are told, with status 2, and help says what there is to compare", async () => {
  const bench = { subjects: FAKES, entry: ENTRY };
  for (
    const args of [
      ["nothing-like-it"],
      ["quick", "--seconds", "0"],
      ["quick", "--rounds", "1.5"],
      ["quick", "--render"],
      ["--here"],
      ["--unknown"],
    ]
  ) assert.equal(await compare(args, bench), 2, args.join(" "));
  const { code, stdout } = await run("--help");
  assert.equal(code, 0);
  assert.match(stdout, /^ {2}quick {5}The quick one \(1 s, 2 rounds\)$/m);
  assert.match(stdout, /^ {2}slow .*only by its name\)$/m);
  assert.match(stdout, /^ {2}far .*with stock kernels; only by its name\)$/m);
});
