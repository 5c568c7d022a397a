import assert from "node:assert/strict";
import { join } from "node:path";
import { UserDeviceError } from "../../devices/mod.ts";
import { ConfigError, parseConfig } from "./config.ts";
import { failureText } from "./failure.ts";
import { loadUserDevices } from "./user_devices.ts";
import { withUserModules } from "./user_modules.ts";

const DICE = new URL("../../tests/examples/dice.ts", import.meta.url).href;
const ROT13 = new URL("../../tests/examples/rot13.ts", import.meta.url).href;

function problemsOf(devices: unknown): readonly string[] {
  try {
    parseConfig({ kernel: "k", devices });
  } catch (error) {
    assert(error instanceof ConfigError);
    return error.problems;
  }
  throw new Error("the configuration was accepted");
}

function load(devices: unknown, signal?: AbortSignal) {
  return loadUserDevices(parseConfig({ kernel: "k", devices }).userDevices, signal);
}

async function refusalOf(devices: unknown): Promise<readonly string[]> {
  try {
    await load(devices);
  } catch (error) {
    assert(error instanceof ConfigError);
    return error.problems;
  }
  throw new Error("the devices were accepted");
}

Deno.test("devices are named after their files, each unlike the others", () => {
  const devices = ["a/dice.ts", "b/dice.ts", "rot13.ts", { module: "dice.ts", id: "mine" }, "ü.ts"];
  const { userDevices } = parseConfig({ kernel: "k", devices });
  assert.deepEqual(userDevices.map(({ id }) => id), [
    "dice0",
    "dice1",
    "rot13-0",
    "mine",
    "C3-BC0",
  ]);
});

Deno.test("what is wrong with the field is told before any module is imported", () => {
  assert.deepEqual(problemsOf("dice.ts"), ["devices: it is a list"]);
  assert.deepEqual(problemsOf(["https://x/dice.ts", { module: "" }]), [
    'devices.0: module: it is a file (got "https://x/dice.ts")',
    'devices.1: module: it is text, and not empty (got "")',
  ]);
  assert.deepEqual(problemsOf([{ module: "a", id: "x" }, { module: "b", id: "x" }]), [
    "id: two devices are named x; give one of them another id",
  ]);
  const both = () => parseConfig({ kernel: "k", rng: { id: "x" }, devices: ["a,id=x"] });
  assert.throws(both, /two devices are named x/);
});

Deno.test("devices of both kinds are loaded with their own properties checked", async () => {
  const devices = [`${DICE},sides=20`, { module: ROT13, options: { places: 3 }, thread: "own" }];
  const { urls, bus, virtio } = await load(devices);
  assert.deepEqual(urls, [DICE, ROT13]);
  assert.deepEqual(bus.map(({ values }) => values), [{ sides: 20, port: undefined }]);
  const input = { places: 3 };
  assert.deepEqual(virtio, [{ kind: ROT13, id: "rot13-0", thread: "own", packed: false, input }]);
});

Deno.test("every property that is wrong is told, with the device's place and file", async () => {
  assert.deepEqual(
    await refusalOf([
      `${DICE},sides=1,sites=6`,
      { module: DICE, thread: "own", packed: true },
      { module: ROT13, options: { places: "many" } },
    ]),
    [
      `devices.0: ${DICE}: sites: there is no such property; did you mean sides?`,
      `devices.0: ${DICE}: sides: it is a whole number from 2 to 256 (got "1")`,
      `devices.1: ${DICE}: thread: a bus device is served by vCPUs`,
      `devices.1: ${DICE}: packed: a bus device has no virtqueues`,
      `devices.2: ${ROT13}: places: it is a whole number from 0 to 25 (got "many")`,
    ],
  );
});

Deno.test("a module that isn't there, and options that can't be posted, are told with the place", async () => {
  const [problem] = await refusalOf([DICE, "/nowhere/dice.ts"]);
  assert.match(
    problem,
    /^devices\.1: file:\/\/\/nowhere\/dice\.ts: it can't be imported: Module not/,
  );
  const folder = await Deno.makeTempDir({ prefix: "denovisor-module-" });
  try {
    const module = join(folder, "d.ts");
    await Deno.writeTextFile(
      module,
      `const f = { required: false, summary: "", fallback: () => 5, read: () => () => 5 };
      export default { options: { f }, ranges: [], attach: () => [] };`,
    );
    assert.match((await refusalOf([module]))[0], /what its options give can't be posted to a Work/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("an import that takes long is given up when its signal aborts", async () => {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-module-" });
  try {
    const module = join(folder, "d.ts");
    await Deno.writeTextFile(
      module,
      "await new Promise((resolve) => setTimeout(resolve, 200)); export default 5;",
    );
    const abort = new AbortController();
    const loading = load([module], abort.signal);
    abort.abort(new Error("enough"));
    await assert.rejects(loading, { message: "enough" });
    await assert.rejects(load([module], abort.signal), { message: "enough" });
    // The import itself goes on to its end.
    await assert.rejects(load([module]), ConfigError);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a job without modules is done at once, one with them when they are there", async () => {
  const done: string[] = [];
  withUserModules([], (modules) => done.push(`none: ${modules}`), () => {});
  assert.deepEqual(done, ["none: undefined"]);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  withUserModules([DICE], (modules) => resolve(String(modules?.get(DICE).kind)), reject);
  assert.equal(await promise, "bus");
  const failed = Promise.withResolvers<unknown>();
  withUserModules(["file:///nowhere.ts"], () => {}, failed.resolve);
  assert.match(failureText(await failed.promise), /^file:\/\/\/nowhere\.ts: it can't be imported/);
});

Deno.test("an error of a user's device is told without our stack, any other with it", () => {
  assert.equal(
    failureText(new UserDeviceError("d0", "file:///d.ts", "boom")),
    "the device d0 (file:///d.ts): boom",
  );
  assert.match(failureText(new TypeError("a bug")), /^TypeError: a bug\n +at /);
});
