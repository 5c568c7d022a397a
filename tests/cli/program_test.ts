import assert from "node:assert/strict";
import { statusOf } from "../../src/cli/errors.ts";
import { EXIT_STATUSES, EXIT_USAGE } from "../../src/cli/exit_status.ts";
import { kebab } from "../../src/cli/names.ts";
import { type Call, parse } from "../../src/cli/program.ts";
import { deviceOptions } from "../../src/cli/run/device_options.ts";
import { runOptions } from "../../src/cli/run/options.ts";
import { verbs } from "../../src/cli/verbs.ts";
import { versionLine } from "../../src/cli/version/report.ts";
import * as loaderErrors from "../../loader/errors.ts";
import { checkedOut } from "../../src/parts/checkout.ts";
import { ConfigError, PROTOCOLS } from "../../src/machine/config.ts";
import { FakeSystem } from "./fakes.ts";

function call(...args: string[]): Call {
  const system = new FakeSystem(false);
  const call = parse(args, verbs, system);
  if (typeof call === "number") throw new Error(`refused with ${call}: ${system.err}`);
  return call;
}

function refusal(...args: string[]): string {
  const system = new FakeSystem(false);
  assert.equal(parse(args, verbs, system), EXIT_USAGE, args.join(" "));
  assert.equal(system.out, "", "a complaint is on standard error");
  return system.err;
}

function help(...args: string[]): string {
  const system = new FakeSystem(false);
  assert.equal(parse(args, verbs, system), 0, args.join(" "));
  assert.equal(system.err, "");
  return system.out;
}

Deno.test("options that are not given have their absent values", () => {
  const { verb, operands, options } = call("run", "vmlinuz");
  assert.deepEqual([verb.name, operands], ["run", ["vmlinuz"]]);
  assert.deepEqual(Object.keys(options), Object.keys({ ...runOptions, ...deviceOptions }));
  assert.deepEqual([options.module, options.json, options.memory], [[], false, undefined]);
});

/** What the options that ask for devices are where none was given. */
const noDevices = Object.fromEntries(
  Object.entries(deviceOptions).map(([name, { kind }]) => [name, kind === "list" ? [] : undefined]),
);

Deno.test("every option of run is parsed to its value", () => {
  const { operands, options } = call(
    ..."run --rootfs r --initrd i --cmdline -x --memory=1G --cpus 2 --module a,b --module c --protocol pvh"
      .split(" "),
    ..."--flat-mode 32 --flat-address 0x1000 --flat-entry 4100".split(" "),
    ..."--huge-pages 2M --console none --timeout 1m --on-reboot restart --timeline --json".split(
      " ",
    ),
    ..."--json-file j --transport mmio --config f --name web-1 vmlinuz".split(" "),
  );
  assert.deepEqual(operands, ["vmlinuz"]);
  assert.deepEqual(options, {
    rootfs: "r",
    initrd: "i",
    cmdline: "-x",
    memory: "1G",
    cpus: 2,
    module: [{ path: "a", cmdline: "b" }, { path: "c", cmdline: "" }],
    protocol: "pvh",
    flatMode: "32",
    flatAddress: 0x1000,
    flatEntry: 4100,
    hugePages: "2M",
    console: { target: { kind: "none" } },
    timeout: 60_000,
    name: "web-1",
    onReboot: "restart",
    timeline: true,
    json: true,
    jsonFile: "j",
    transport: "mmio",
    config: "f",
    ...noDevices,
  });
});

Deno.test("two parses do not share a list", () => {
  call("run", "k", "--module", "a");
  assert.deepEqual(call("run", "k", "--module", "b").options.module, [{ path: "b", cmdline: "" }]);
});

Deno.test("the kernel may be left out where a configuration has it", () => {
  const { operands, options } = call("run", "--config", "vm.json");
  assert.deepEqual([operands, options.config], [[], "vm.json"]);
});

Deno.test("a mistyped verb or option is answered with the one that was meant", () => {
  assert.match(refusal("rnu"), /^denovisor: unknown command 'rnu' \(Did you mean run\?\)\n/);
  assert.match(refusal("help", "docto"), /unknown command 'docto' \(Did you mean doctor\?\)/);
  assert.match(refusal("run", "k", "--memroy", "1G"), /'--memroy' \(Did you mean --memory\?\)/);
});

Deno.test("a wrong value is told with its option, the value and what would be right", () => {
  assert.match(refusal("run", "k", "--timeout", "soon"), /--timeout <TIME>.*'soon'.*such as 500ms/);
  assert.match(refusal("run", "k", "--protocol", "efi"), /--protocol.*'efi'.*auto, linux64/);
  assert.match(refusal("run", "k", "--on-reboot", "no"), /--on-reboot.*'no'.*exit, restart/);
  assert.match(refusal("run", "k", "--cpus", "none"), /--cpus.*'none'.*whole number/);
  assert.match(refusal("run", "k", "--console", "stdoi"), /file:stdoi/);
  assert.match(refusal("run", "k", "--memory"), /--memory <SIZE>' argument missing/);
});

Deno.test("too few or too many words are refused with a hint at the help", () => {
  assert.match(
    refusal("run", "a", "b"),
    /too many arguments.*\ndenovisor: Try: denovisor help run\n$/,
  );
  assert.match(refusal("doctor", "x"), /too many arguments/);
  assert.match(refusal(), /Usage: denovisor VERB/);
});

Deno.test("help shows each verb, each option and each exit status, with examples", () => {
  const root = help("--help");
  const unwrapped = root.replace(/\s+/g, " ");
  for (const { name, summary } of verbs) {
    assert(unwrapped.includes(name) && unwrapped.includes(summary), name);
  }
  for (const [, meaning] of EXIT_STATUSES) assert(root.includes(meaning), meaning);
  assert.match(root, /Examples:\n {2}denovisor doctor\n/);
  assert.equal(help("help"), root);
  for (const verb of verbs) {
    const page = help("help", verb.name);
    assert.equal(help(verb.name, "--help"), page);
    for (const option of Object.keys(verb.options)) {
      assert(page.includes(`--${kebab(option)}`), option);
    }
    for (const { command } of verb.examples) assert(page.includes(command), command);
  }
});

Deno.test("the examples in the help are command lines that parse", () => {
  for (const { examples } of verbs) {
    for (const { command } of examples) {
      const words = command.split("denovisor ")[1].split(/[|>)]/)[0].match(/"[^"]*"|\S+/g) ?? [];
      call(...words.map((word) => word.replaceAll('"', "")));
    }
  }
});

async function printed(...args: string[]): Promise<string> {
  const { verb, operands, options } = call(...args);
  const system = new FakeSystem(false);
  assert.equal(await verb.execute(operands, options, system), 0);
  assert.equal(system.err, "");
  return system.out;
}

Deno.test("the version is the package's, with its commit, Deno's and V8's", async () => {
  const root = new URL("../..", import.meta.url);
  const manifest = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
  const commit = checkedOut(root.pathname);
  const { deno, v8 } = Deno.version;
  const built = commit === "" ? "" : `commit ${commit.slice(0, 7)}, `;
  const line = `denovisor ${manifest.version} (${built}Deno ${deno}, V8 ${v8})\n`;
  for (const option of ["--version", "-V"]) assert.equal(await printed(option), line);
  const report = {
    version: manifest.version,
    commit: commit || null,
    carrier: "source",
    deno,
    v8,
    target: Deno.build.target,
  };
  for (const args of [["--version", "--json"], ["--json", "-V"]]) {
    assert.deepEqual(JSON.parse(await printed(...args)), report);
  }
});

Deno.test("a version without a commit says nothing of one, and a changed tree says so", () => {
  const report = { version: "1.2.3", carrier: "source", deno: "2", v8: "15", target: "t" } as const;
  assert.equal(versionLine({ ...report, commit: null }), "denovisor 1.2.3 (Deno 2, V8 15)");
  const commit = "0123456789abcdef0123456789abcdef01234567-dirty";
  assert.equal(
    versionLine({ ...report, commit }),
    "denovisor 1.2.3 (commit 0123456-dirty, Deno 2, V8 15)",
  );
});

Deno.test("the protocols offered are those of the machine", () => {
  assert.deepEqual(runOptions.protocol.choices, PROTOCOLS);
});

Deno.test("errors about what the user gave end with the status of a usage error", () => {
  const details = { file: "f", field: "x", value: 0, problem: "p", remedy: "r" };
  const { LoaderError: _abstract, ...concrete } = loaderErrors;
  for (const [name, LoaderError] of Object.entries(concrete)) {
    assert.equal(statusOf(new LoaderError(details)), EXIT_USAGE, name);
  }
  assert.equal(statusOf(new ConfigError(["kernel: it is required"])), EXIT_USAGE);
  assert.equal(statusOf(new Error("anything else")), 125);
});
