/**
 * The completion scripts in the shells that they are for. All shells are asked the same, and have to give the same
 * answers.
 * @module
 */
import assert from "node:assert/strict";
import type { Command } from "commander";
import { script } from "../../src/cli/completions/completions.ts";
import { type Shell, SHELLS } from "../../src/cli/completions/spec.ts";
import { kebab } from "../../src/cli/names.ts";
import { buildParser, parse } from "../../src/cli/program.ts";
import { COMMON_FIELDS, deviceTables } from "../../src/machine/mod.ts";
import { choice, defineVerb, type OptionSpec, value, type Verb } from "../../src/cli/verb.ts";
import { verbs } from "../../src/cli/verbs.ts";
import { FakeSystem } from "./fakes.ts";
import { denovisor, programTest } from "./process.ts";
import { ask, canAsk, pressTab } from "./shells.ts";

/** The files that can be completed. */
const FILES = ["a b.img", "root.img", "root.json", "run.img"];
const FOLDERS = ["sub"];
const PATHS = [...FILES, ...FOLDERS];
const at = (beginning: string) => PATHS.filter((path) => path.startsWith(beginning));

const NAMES = verbs.map(({ name }) => name);

/** The options of a command of the parser, as they are typed. */
function optionsOf(command: Command): string[] {
  const options = command.createHelp().visibleOptions(command);
  return options.flatMap(({ long, short }) => [long, short]).filter((name) => name !== undefined);
}

/** A line for each set of options that the parser has. */
function optionQuestions(verbs: readonly Verb[]): [string, string[]][] {
  const parser = buildParser(verbs, new FakeSystem(false), () => {});
  return [
    ["denovisor -", optionsOf(parser)],
    ...parser.commands.map((command): [string, string[]] => {
      return [`denovisor ${command.name()} -`, optionsOf(command)];
    }),
  ];
}

/** Lines with each option that takes one of a few words. */
function choiceQuestions(verb: string, options: Readonly<Record<string, OptionSpec>>) {
  return Object.entries(options).flatMap(([name, spec]): [string, readonly string[]][] => {
    if (spec.kind === "switch" || spec.choices === undefined) return [];
    const option = `denovisor ${verb} --${kebab(name)}`;
    const [first] = spec.choices;
    return [
      [`${option} `, spec.choices],
      [`${option}=`, spec.choices],
      [`${option}=${first[0]}`, spec.choices.filter((choice) => choice.startsWith(first[0]))],
    ];
  });
}

/** Lines with each device, for its properties and their values. */
function deviceQuestions(): [string, readonly string[]][] {
  return deviceTables.flatMap(({ flag, fields, main }): [string, readonly string[]][] => {
    const all = Object.entries({ ...fields, ...COMMON_FIELDS });
    const properties = all.map(([name, { value, fallback }]) =>
      value === undefined && fallback !== true ? name : `${name}=`
    );
    const option = `denovisor run --${flag}`;
    const isPath = main !== undefined && fields[main].path === true;
    return [
      [`${option} x,`, properties],
      [`${option}=x,id=y,`, properties],
      [`${option} `, [...properties, ...isPath ? PATHS : []]],
      ...all.flatMap(([name, { choices, path }]): [string, readonly string[]][] => {
        if (choices !== undefined) return [[`${option} x,${name}=`, choices]];
        return path === true ? [[`${option} x,${name}=ro`, at("ro")]] : [];
      }),
    ];
  });
}

const QUESTIONS: readonly [string, readonly string[]][] = [
  ["denovisor ", [...NAMES, "help"]],
  ["denovisor do", ["doctor"]],
  ["denovisor help ", NAMES],
  ["denovisor help do", ["doctor"]],
  ["denovisor nothing ", []],
  ["denovisor completions ", SHELLS],
  ["denovisor completions --name x f", ["fish"]],
  ["denovisor run --tr", ["--transport"]],
  ["denovisor run --json --tr", ["--transport"]],
  ["denovisor run kernel --tr", ["--transport"]],
  // The kernel's file, wherever it stands.
  ["denovisor run r", at("r")],
  ["denovisor run a", ["a b.img"]],
  ["denovisor run a\\ ", ["a b.img"]],
  ["denovisor run --json r", at("r")],
  ["denovisor run --memory 1G r", at("r")],
  ["denovisor run --memory=1G r", at("r")],
  ["denovisor run --cmdline --json r", at("r")],
  ["denovisor run --disk root.img,ro --net tap0 r", at("r")],
  ["denovisor run --rng source=root.img r", at("r")],
  ["denovisor run -- r", at("r")],
  ["denovisor run -- --tr", []],
  // Values.
  ["denovisor run --initrd ", PATHS],
  ["denovisor run --initrd ro", at("ro")],
  ["denovisor run --initrd=ro", at("ro")],
  ["denovisor run --initrd=sub/", ["sub/deep.img"]],
  ["denovisor run --json-file=root.j", ["root.json"]],
  ["denovisor run --memory ", []],
  ["denovisor run --cpus=", []],
  ["denovisor run --module ro", at("ro")],
  ["denovisor run --module root.img,ro", []],
  ["denovisor run --console ", ["file:", "none", "serial", "stdio", "virtio"]],
  ["denovisor run --console s", ["serial", "stdio"]],
  ["denovisor run --console file:ro", at("ro")],
  ["denovisor run --console=file:ro", at("ro")],
  ["denovisor run --console virtio,", ["file:", "none", "stdio"]],
  ["denovisor run --console=virtio,file:ru", ["run.img"]],
  // Devices.
  ["denovisor run --disk ro", ["ro", ...at("ro")]],
  ["denovisor run --disk=root.img,ca", ["cache="]],
  ["denovisor run --disk root.img,cache=write", ["writeback", "writethrough"]],
  ["denovisor run --disk=root.img,ro,cache=un", ["unsafe"]],
  ["denovisor run --disk root.img,bandwidth=", []],
  ["denovisor run --net x,off", ["offload="]],
  ["denovisor run --net x,offload=", ["off", "on"]],
  // A value that may be left out.
  ["denovisor run --rng --tr", ["--transport"]],
  ["denovisor run --rng so", ["source="]],
  ["denovisor run --rng=so", ["source="]],
  ["denovisor run --rng r", []],
  ["denovisor run --rng source=ro", at("ro")],
  ...optionQuestions(verbs),
  ...verbs.flatMap(({ name, options }) => choiceQuestions(name, options)),
  ...deviceQuestions(),
];

/** Calls with a folder that has the files. */
async function withFiles(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const name of FILES) await Deno.writeTextFile(`${folder}/${name}`, "");
    await Deno.mkdir(`${folder}/sub`);
    await Deno.writeTextFile(`${folder}/sub/deep.img`, "");
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function compare(
  shell: Shell,
  script: string,
  questions: readonly (readonly [line: string, answer: readonly string[]])[],
  installed = false,
): Promise<void> {
  await withFiles(async (folder) => {
    const lines = questions.map(([line]) => line);
    const answers = await ask(shell, script, lines, folder, installed);
    const shown = (answer: readonly string[], index: number) =>
      `${questions[index][0]}| ${[...answer].sort().join(" ")}`;
    assert.deepEqual(answers.map(shown), questions.map(([, answer]) => answer).map(shown));
  });
}

/** A verb with what none of the program's verbs has. */
const other = defineVerb({
  name: "other",
  summary: "it's a verb: [one] \\ of `$(others)`",
  description: "None.",
  operands: [{ name: "FOLDER", summary: "a folder", shape: { first: { path: "folder" } } }],
  options: {
    into: {
      ...value("DIR", (text) => text, "where 'it' goes: [a] \"folder\" \\ $HOME `x`; 100%"),
      shape: { first: { path: "folder" } },
    },
    tone: choice("TONE", ["low", "high"], "how loud", "low"),
  },
  examples: [],
  sections: [],
  load: () => Promise.reject(new Error("it does nothing")),
});

for (const shell of SHELLS) {
  const ignore = !canAsk(shell);

  programTest(
    `${shell} completes verbs, options, values, files and the properties of devices`,
    async () => {
      const { status, out, err } = await denovisor(["completions", shell]);
      assert.deepEqual([status, err], [0, ""]);
      assert.equal(out, script(shell, verbs, []), "the executable has the same tables");
      await compare(shell, out, QUESTIONS, true);
    },
    { ignore },
  );

  Deno.test({
    name: `${shell} completes folders, for the program under another name, with text of any kind`,
    ignore,
    fn: () =>
      compare(shell, script(shell, [other], ["dv", "denovisor-0.1"]), [
        ["dv ", ["help", "other"]],
        ["denovisor-0.1 ot", ["other"]],
        ["denovisor other ", FOLDERS],
        ["dv other --in", ["--into"]],
        ["dv other --into ", FOLDERS],
        ["dv other --into=s", FOLDERS],
        ["dv other --into=r", []],
        ["dv other --tone=h", ["high"]],
        ["dvx other --to", []],
      ]),
  });
}

for (const shell of ["bash", "zsh"] as const) {
  Deno.test({
    name: `${shell} puts a space behind what is whole, and none where more may follow`,
    ignore: !canAsk(shell),
    fn: () =>
      withFiles(async (folder) => {
        const lines = {
          "denovisor do": "denovisor doctor ",
          "denovisor run --tr": `denovisor run --transport${shell === "zsh" ? "=" : " "}`,
          "denovisor run --timel": `denovisor run --timeline${shell === "zsh" ? "=" : " "}`,
          "denovisor run --transport=p": "denovisor run --transport=pci ",
          "denovisor run run": "denovisor run run.img ",
          "denovisor run --initrd a": "denovisor run --initrd a\\ b.img ",
          'denovisor run --initrd "a': 'denovisor run --initrd "a b.img" ',
          "denovisor run --initrd su": "denovisor run --initrd sub/",
          "denovisor run --disk run": "denovisor run --disk run.img",
          "denovisor run --disk=run.img,ca": "denovisor run --disk=run.img,cache=",
          "denovisor run --disk run.img,cache=u": "denovisor run --disk run.img,cache=unsafe",
          "denovisor run --console vi": "denovisor run --console virtio",
          "denovisor run --console fi": "denovisor run --console file:",
        };
        const completed = await pressTab(
          shell,
          script(shell, verbs, []),
          Object.keys(lines),
          folder,
        );
        assert.deepEqual(completed, Object.values(lines));
      }),
  });
}

Deno.test({
  name: "bash keeps a quotation, and completes with other word breaks",
  ignore: !canAsk("bash"),
  fn: async () => {
    const text = script("bash", verbs, []);
    await withFiles(async (folder) => {
      const lines = ['denovisor run --initrd "a', "denovisor run --disk 'root.img,ca"];
      const [file, property] = await ask("bash", text, lines, folder);
      // Readline drops a quotation mark that nothing in the word needs.
      assert.deepEqual([file, property], [['"a', 'b.img"'], ["root.img,cache="]]);
    });
    const breaks = `${text}\nCOMP_WORDBREAKS=\${COMP_WORDBREAKS//[:=]}\n`;
    await compare("bash", breaks, [
      ["denovisor run --transport=m", ["mmio", "mmio-cmdline"]],
      ["denovisor run --disk=root.img,cache=un", ["unsafe"]],
    ]);
  },
});

Deno.test("a name that a shell would not take as it is can't be registered", () => {
  for (const name of ["", "a b", "$(x)", "-x", "a;b", "a/b", "'"]) {
    const system = new FakeSystem(false);
    assert.equal(parse(["completions", "bash", `--name=${name}`], verbs, system), 123, name);
    assert.match(system.err, /--name/);
  }
});
