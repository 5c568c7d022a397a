/**
 * The manual page, as mandoc reads and renders it.
 * @module
 */
import assert from "node:assert/strict";
import type { Command } from "commander";
import fc from "fast-check";
import { findCommand } from "../../src/rootfs/command.ts";
import { EXIT_HOST, EXIT_OUTPUT_CLOSED, EXIT_STATUSES } from "../../src/cli/exit_status.ts";
import { manual } from "../../src/cli/man/page.ts";
import { argument, escaped, literal, prose } from "../../src/cli/man/roff.ts";
import { ENVIRONMENT, FILES } from "../../src/cli/man/surroundings.ts";
import { buildParser } from "../../src/cli/program.ts";
import { COMMON_FIELDS, describeFields, deviceTables } from "../../src/machine/mod.ts";
import { verbs } from "../../src/cli/verbs.ts";
import { RELEASED, VERSION } from "../../src/cli/version.ts";
import { FakeSystem } from "./fakes.ts";
import { denovisor, PROGRAM, programTest } from "./process.ts";

const ignore = findCommand("mandoc") === undefined;

/** Runs a program with input. @returns its status, and what it wrote */
async function filter(command: string[], input: string) {
  const [program, ...args] = command;
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C.UTF-8" },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
}

const BACKSPACE = "\b";

/** The page as it is read on a terminal, without the doubled characters that are bold or underlined there. */
async function rendered(source: string): Promise<string> {
  const { code, out } = await filter(["mandoc", "-T", "ascii", "-O", "width=250"], source);
  assert.equal(code, 0);
  return out.replace(new RegExp(`.${BACKSPACE}`, "g"), "");
}

/** The part of a rendered page below a heading of its own line, to the next heading of that depth or less. */
function below(page: string, heading: string): string {
  const lines = page.split("\n");
  const start = lines.indexOf(heading);
  assert.notEqual(start, -1, `no heading ${JSON.stringify(heading)}`);
  const depth = heading.search(/\S/);
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => line.trim() !== "" && line.search(/\S/) <= depth);
  return rest.slice(0, end === -1 ? undefined : end).join("\n");
}

/** The options that are explained in a part of the page: each is the beginning of a line. */
function explained(part: string): string[] {
  return part.split("\n").flatMap((line) => /^ {5}(-\S.*?)(?: {2}.*)?$/.exec(line)?.[1] ?? []);
}

/** The parser's own options, as the page has them: `--memory SIZE`. */
function parsed(command: Command): string[] {
  return command.createHelp().visibleOptions(command)
    .map(({ flags }) => flags.replace(/<(.*)>$/, "$1"));
}

const source = () => manual(verbs, { version: VERSION, date: RELEASED });

/** Text that roff would take for something else. */
const NASTY = [
  ".Sh NAME",
  "'br",
  "\\fBbold\\fP",
  "\\",
  "\\\\n(.x",
  "-",
  "--memory",
  '"',
  '"quoted" ',
  "a.b ... c",
  "...",
  "Nm Ar Fl Op",
  "Ar",
  ".",
  ",",
  "( [ ) ]",
  "~ ^ ` ' |",
  "{}",
  "it's",
];

const sanitised = { sanitizeOps: true, sanitizeResources: true, ignore };

programTest("the manual has no mistake that mandoc finds", async () => {
  const { status, out, err } = await denovisor(["man"]);
  assert.deepEqual([status, err], [0, ""]);
  assert.equal(out, source());
  const lint = await filter(["mandoc", "-T", "lint", "-W", "warning"], out);
  assert.deepEqual(lint, { code: 0, out: "", err: "" });
}, { ignore });

programTest(
  "what can't be written is an error; a reader who has gone is told by the status",
  async () => {
    const words = PROGRAM.map((word) => `"${word}"`).join(" ");
    for (const args of ["man", "completions zsh", "--version"]) {
      const full = await filter(["sh", "-c", `${words} ${args} > /dev/full`], "");
      assert.deepEqual([full.code, full.out], [EXIT_HOST, ""], args);
      assert.match(full.err, /^denovisor: standard output can't be written: No space left.*\n$/);
    }
    const gone = `{ sleep 0.2; ${words} man; echo $? >&2; } | true`;
    assert.equal((await filter(["sh", "-c", gone], "")).err, `${EXIT_OUTPUT_CLOSED}\n`);
  },
);

Deno.test({
  name: "the manual is taken by groff without a warning",
  ignore: findCommand("groff") === undefined,
  fn: async () => {
    const { code, err } = await filter(["groff", "-ww", "-mdoc", "-Tutf8"], source());
    assert.deepEqual([code, err], [0, ""]);
  },
});

Deno.test({
  name: "the manual explains the options that the parser has, and no others, with their values",
  ...sanitised,
  fn: async () => {
    const page = await rendered(source());
    const parser = buildParser(verbs, new FakeSystem(false), () => {});
    const verbsPart = below(page, "VERBS");
    assert.deepEqual(explained(below(page, "DESCRIPTION")), parsed(parser));
    const sections = verbsPart.match(/^ {3}\S.*$/gm) ?? [];
    assert.deepEqual(
      sections.map((heading) => heading.trim()),
      [...verbs.map(({ name }) => `denovisor ${name}`), "denovisor help"],
    );
    for (const command of parser.commands) {
      const part = below(page, `   denovisor ${command.name()}`);
      assert.deepEqual(explained(part), parsed(command), command.name());
      assert(page.includes(`denovisor ${command.name()} `), "it is in the synopsis");
    }
  },
});

Deno.test({
  name: "the manual tells every default, choice, property, key, exit status and example",
  ...sanitised,
  fn: async () => {
    const page = (await rendered(source())).replace(/\s+/g, " ").toLowerCase();
    const has = (text: string) =>
      assert(page.includes(text.replace(/\s+/g, " ").trim().toLowerCase()), text);
    for (const { summary: _short, description, operands, options, examples, sections } of verbs) {
      has(description);
      for (const { summary, choices = [] } of operands) [summary, ...choices].forEach(has);
      for (const spec of Object.values(options)) {
        has(spec.summary);
        if (spec.kind === "switch") continue;
        if (spec.fallback !== undefined) has(`Default: ${spec.fallback}.`);
        if (spec.choices !== undefined) has(`One of ${spec.choices.join(", ")}.`);
      }
      for (const { command, does } of examples) [command, does].forEach(has);
      for (const { rows = [], lines } of sections) [...rows.flat(), ...lines].forEach(has);
    }
    for (const { flag, fields } of deviceTables) {
      has(`Properties of --${flag}`);
      for (const { name, summary } of describeFields(fields)) [name, summary].forEach(has);
    }
    for (const { name } of describeFields(COMMON_FIELDS)) has(name);
    for (const row of [...EXIT_STATUSES, ...ENVIRONMENT, ...FILES]) row.forEach(has);
    for (const key of ["Ctrl-A x", "Ctrl-A h"]) has(key);
  },
});

Deno.test({
  name: "text of any kind comes out of mandoc as it went in",
  ...sanitised,
  fn: async () => {
    const printable = fc.stringMatching(/^[!-~]([ -~]{0,40}[!-~])?$/);
    const texts = [...NASTY, ...fc.sample(printable, 400)].map((text) => text.trim());
    const source = [
      ".Dd January 1, 2000",
      ".Dt X 1",
      ".Os",
      ".Sh LITERAL",
      ...literal(texts.map((text) => `|${text}`)),
      ...literal(texts),
      ".Sh ARGUMENTS",
      ...texts.flatMap((text) => [`.Cm ${argument(text)}`, ".br"]),
      ".Sh PROSE",
      ...texts.flatMap((text) => [".Pp", ...prose(text)]),
      ".Sh END",
      escaped("end"),
    ].join("\n");
    const page = await rendered(source);
    const lines = (heading: string) =>
      below(page, heading).split("\n").map((line) => line.trim()).filter((line) => line !== "");
    assert.deepEqual(lines("LITERAL"), [...texts.map((text) => `|${text}`), ...texts]);
    assert.deepEqual(lines("ARGUMENTS"), texts);
    // Prose has one space between words, and two behind a sentence.
    const folded = (text: string) => text.replace(/ +/g, " ");
    assert.deepEqual(lines("PROSE").map(folded), texts.map(folded));
  },
});

/** The product's files that are no tests, with their text. */
async function productFiles(folder: URL): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const url = new URL(name + (isDirectory ? "/" : ""), folder);
    if (isDirectory) found.push(...await productFiles(url));
    else if (/^(?!.*_test)[^.]*\.ts$/.test(name)) {
      found.push([url.href, await Deno.readTextFile(url)]);
    }
  }
  return found;
}

Deno.test("the variables and files of the manual are those that the program uses", async () => {
  const root = new URL("../../", import.meta.url);
  const texts = (await Promise.all(
    ["src/", "devices/", "loader/"].map((folder) => productFiles(new URL(folder, root))),
  )).flat()
    // Rigs, the list itself, and what only libraries and tasks have.
    .filter(([file]) => !/\/testing\/|\/man\/|\/src\/(executable|vm)\//.test(file));
  const used = texts.flatMap(([, text]) =>
    [...text.matchAll(/Deno\.env\.get\("(\w+)"\)/g)].map(([, name]) => name)
  );
  assert.deepEqual([...new Set(used)].sort(), ENVIRONMENT.map(([name]) => name).sort());
  for (const [path] of FILES) {
    assert(texts.some(([, text]) => text.includes(`"${path}"`)), `${path} is used by no file`);
  }
});
