/**
 * The executable's arguments and environment are its own, not Deno's.
 *
 * For arguments the oracle is the source tree, whose arguments Deno passes on behind the name of the script.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type Left, SOURCE_TREE } from "../cli/process.ts";
import {
  DONE,
  executableTest,
  FOLDER,
  guestArguments,
  guestTest,
  inParallel,
  PLAINLY,
  runBy,
  SAID,
  SCRIPT,
  TYPED,
} from "./host.ts";

/** What a user may type, Deno's own commands and options among it. */
const COMMAND_LINES: readonly (readonly string[])[] = [
  ...[[], [""], ["", ""], ["--"], ["--", "run"], ["-"], ["--", "--help"], ["---"]],
  ...[["-h"], ["-V"], ["--help"], ["help"], ["-A"], ["--allow-all"], ["--quiet"]],
  ...[["eval", "1"], ["repl"], ["upgrade"], ["info"], ["test"], ["fmt"], ["install"], ["compile"]],
  ...[["task", "denovisor"], ["serve", SCRIPT], ["x", "y"], [SCRIPT], ["-", SCRIPT]],
  ...[["run", SCRIPT], ["run", "-A", SCRIPT], ["run", "--allow-all", SCRIPT], ["run", "-"]],
  ...[["--v8-flags=--help"], ["run", "--v8-flags=--help", "k"], ["--inspect-brk"], ["--inspect"]],
  ...[["--config", SCRIPT], ["--no-config"], ["--import", SCRIPT], ["--preload", SCRIPT]],
  ...[["--require", SCRIPT], ["--env-file"], ["--cached-only"], ["--reload"], ["--unstable"]],
  ...[["--log-level=debug"], ["-L", "debug"], ["--eval", "1"], ["-e", "1"], ["-p", "1"]],
  ...[["https://localhost/script.ts"], ["npm:cowsay"], ["file://" + SCRIPT], ["data:,1"]],
  ...[["run", ""], ["run", "--", "--help"], ["run", "--", "-"], ["run", "--help"], ["run", "-h"]],
  ...[["run", "/no such/file"], ["run", "/'quoted'"], ["run", '/"quoted"'], [
    "run",
    "/$HOME`x`\\*",
  ]],
  ...[["run", "/two\nlines\r\n"], ["run", "/a\ttab"], ["run", "/\x1b[31m"], ["run", "/\x01"]],
  ...[["run", "/é☃😀"], ["run", "/" + "x".repeat(100_000)], ["run", ...Array(1000).fill("/k")]],
  ...[["run", "k", "--memory", "--v8-flags"], ["run", "k", "--cpus", ""], [
    "run",
    "k",
    "--json",
    "",
  ]],
  ...[["doctor", "--", "--help"], ["doctor", "--allow-all"], ["--version", "--help"]],
];

/** The executable was built from what the checkout was then. */
function withoutCommit(left: Left): Left {
  return { ...left, out: left.out.replace(/\(commit [0-9a-f]+(?:-dirty)?, /, "(") };
}

executableTest("takes every command line for its own, as it is", async () => {
  const [deno, ...args] = SOURCE_TREE;
  await inParallel(COMMAND_LINES, async (line) => {
    const start = { cwd: FOLDER, env: { NO_COLOR: "1" } };
    const mine = await runBy(PLAINLY, line, start);
    const wanted = await runBy(PLAINLY, [...args, ...line], { ...start, program: deno });
    assert.deepEqual(
      withoutCommit(mine),
      withoutCommit(wanted),
      JSON.stringify(line).slice(0, 200),
    );
    assert(!mine.out.includes(SAID), mine.out);
    assert.doesNotMatch(mine.err, /panicked|^\s+at /m);
  });
});

executableTest("refuses an argument that is not text as it refuses others", async () => {
  const script = 'p=$1; exec "$p" run "$(printf "/k\\377")"';
  const { status, out, err } = await runBy(script, []);
  assert.deepEqual([status, out], [123, ""], err);
  assert.match(err, /^denovisor: /);
});

guestTest("passes a guest's command line on, character by character", async () => {
  // All of printable ASCII; a double quote has to have its like.
  const text = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join("").trim() +
    '"';
  const args = guestArguments("--cmdline", text);
  const left = await runBy(PLAINLY, args, { input: TYPED });
  assert.deepEqual(left, { ...DONE, out: `ready\n${text}\n` });
});

/**
 * Variables that Deno, node's layer in it, OpenTelemetry's and Rust's runtime look at, each with a value that changes
 * what they do: found in Deno's `--help` and among the strings of its file.
 */
function variables(folder: string): Record<string, string> {
  return {
    DENO_V8_FLAGS: "--help",
    DENO_LOG: "trace",
    RUST_LOG: "trace",
    RUST_BACKTRACE: "full",
    DENO_DIR: `${folder}/deno-dir`,
    DENO_COVERAGE_DIR: `${folder}/coverage`,
    DENO_AUDIT_PERMISSIONS: `${folder}/audit`,
    DENO_TRACE_PERMISSIONS: "1",
    DENO_PERMISSION_BROKER_PATH: `${folder}/broker.sock`,
    DENO_UNSTABLE_CONTROL_SOCK: `unix:${folder}/control.sock`,
    DENO_UNSTABLE_CRON_SOCK: `unix:${folder}/cron.sock`,
    DENO_INTERNAL_CHILD_ENTRYPOINT: SCRIPT,
    DENO_CERT: "/nowhere/cert.pem",
    DENO_TLS_CA_STORE: "nothing",
    DENO_AUTH_TOKENS: "x@y",
    DENO_CONDITIONS: "production",
    DENO_COMPAT: "1",
    DENO_EXTRA_STDIO_FDS: "7",
    DENO_JOBS: "0",
    DENO_USE_CGROUPS: "1",
    DENO_NO_UPDATE_CHECK: "",
    DENO_NO_PACKAGE_JSON: "",
    DENO_SERVE_ADDRESS: "tcp:127.0.0.1:9",
    DENO_REPL_HISTORY: `${folder}/history`,
    DENO_INSTALL_ROOT: `${folder}/install`,
    DENO_STARTUP_PHASES: "1",
    DENO_TOKIO_METRICS: "1",
    DENO_NODE_TRACE_EVENT_CATEGORIES: "v8",
    DENO_CACHE_DB_MODE: "disk",
    DENO_EMIT_CACHE_MODE: "normal",
    DENO_UNSTABLE_FFI_TRACE_TURBO: "1",
    OTEL_DENO: "true",
    OTEL_DENO_CONSOLE: "replace",
    OTEL_EXPORTER_OTLP_PROTOCOL: "console",
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
    NODE_OPTIONS: `--require=${SCRIPT}`,
    NODE_CHANNEL_FD: "x",
    NODE_V8_COVERAGE: `${folder}/node-coverage`,
    NODE_EXTRA_CA_CERTS: "/nowhere/cert.pem",
    NODE_DEBUG: "*",
    NODE_PATH: FOLDER,
    NODE_REPL_HISTORY: `${folder}/node-history`,
    NODE_NO_WARNINGS: "0",
    NODE_ENV: "test",
    NPM_CONFIG_REGISTRY: "http://127.0.0.1:9",
    XDG_CACHE_HOME: `${folder}/cache`,
    HTTP_PROXY: "http://127.0.0.1:9",
    FORCE_COLOR: "1",
    TERM: "nothing",
    TMPDIR: "/nowhere",
  };
}

guestTest("is changed by no variable that Deno would heed", async () => {
  const folder = await Deno.makeTempDir({ dir: FOLDER });
  await inParallel(Object.entries(variables(folder)), async ([name, value]) => {
    const left = await runBy(PLAINLY, guestArguments(), { input: TYPED, env: { [name]: value } });
    assert.deepEqual(left, DONE, `${name}=${value}`);
  });
  const left = await runBy(PLAINLY, guestArguments(), { input: TYPED, env: variables(folder) });
  assert.deepEqual(left, DONE, "all at once");
  assert.deepEqual([...Deno.readDirSync(folder)], [], "something was written");
});

guestTest("is changed by no file that Deno would heed", async () => {
  const folder = await Deno.makeTempDir({ dir: FOLDER });
  const files: Record<string, string> = {
    "deno.json": "{ this is no JSON",
    "deno.jsonc": '{ "imports": { "commander": "./script.ts" } }',
    "package.json":
      '{ "type": "commonjs", "dependencies": { "commander": "file:./x" }, "main": 1 }',
    "deno.lock": "{",
    ".npmrc": "registry=http://127.0.0.1:9\nthis is nothing",
    ".env": "DENO_V8_FLAGS=--help\nDENO_LOG=trace",
    "tsconfig.json": "{",
    "import_map.json": "{",
    "node_modules/commander/index.js": 'console.log("another commander")',
    "node_modules/commander/package.json": '{ "name": "commander", "main": "index.js" }',
  };
  await Deno.mkdir(join(folder, "node_modules/commander"), { recursive: true });
  await Deno.mkdir(join(folder, "below"));
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(join(folder, name), text);
  }
  const before = await listing(folder);
  for (const cwd of [folder, join(folder, "below")]) {
    for (const home of [folder, "/root"]) {
      const start = { input: TYPED, cwd, env: { HOME: home } };
      assert.deepEqual(await runBy(PLAINLY, guestArguments(), start), DONE);
    }
  }
  assert.deepEqual(await listing(folder), before, "something was written");
});

/** All names in a folder and below. */
async function listing(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    names.push(name);
    if (isDirectory) names.push(...await listing(join(folder, name)));
  }
  return names.sort();
}
