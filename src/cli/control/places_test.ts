import assert from "node:assert/strict";
import { join } from "node:path";
import { UsageError } from "../errors.ts";
import { isName, NAME_LIMIT, parseName } from "./name.ts";
import { NoMachineError, Places } from "./places.ts";

/** Calls with sockets of their own. */
async function withPlaces(test: (places: Places, runtime: string) => Promise<void>): Promise<void> {
  const runtime = await Deno.makeTempDir();
  try {
    await test(Places.open(around(runtime)), runtime);
  } finally {
    await Deno.remove(runtime, { recursive: true });
  }
}

function around(runtime: string) {
  return { runtime, uid: Deno.uid() ?? 0, run: "/none", temporary: "/none" };
}

/** A process that claims names and is then killed, so that it cleans nothing up. */
async function leaveStale(folder: string, names: readonly string[]): Promise<void> {
  const script = names.map((name) =>
    `Deno.listen({ transport: "unix", path: ${JSON.stringify(join(folder, `${name}.sock`))} });`
  ).join("\n");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", `${script}\nconsole.log("ready"); setInterval(() => {}, 1000);`],
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGKILL");
  await child.status;
  await reader.cancel();
}

function sockets(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name !== ".lock")
    .sort();
}

Deno.test("a machine's name is one that can be a file's and an argument", () => {
  for (const name of ["a", "web-1", "A.b_c", "0", "x".repeat(NAME_LIMIT)]) {
    assert.equal(parseName(name), name);
  }
  const bad = ["", "-x", ".x", "a/b", "..", "a b", "a\n", "ä", "a\0", "x".repeat(NAME_LIMIT + 1)];
  for (const name of bad) {
    assert(!isName(name), name);
    assert.throws(() => parseName(name), UsageError);
  }
});

Deno.test("a claimed name has a socket that is its owner's alone, until it is given back", () =>
  withPlaces(async (places, runtime) => {
    const before = Deno.umask(0);
    try {
      using claim = await places.claim("web");
      assert.equal((Deno.lstatSync(places.path("web")).mode ?? 0) & 0o777, 0o600);
      assert.equal((Deno.lstatSync(join(runtime, "denovisor", ".lock")).mode ?? 0) & 0o777, 0o600);
      assert.deepEqual(await places.names(), ["web"]);
      const [connection, accepted] = await Promise.all([
        places.connect("web"),
        // The one that names() has made to see who is there comes first.
        claim.listener.accept().then((probe) => (probe.close(), claim.listener.accept())),
      ]);
      connection.close();
      accepted.close();
    } finally {
      Deno.umask(before);
    }
    assert.deepEqual(sockets(places.folder), []);
    assert.deepEqual(await places.names(), []);
    await assert.rejects(places.connect("web"), NoMachineError);
  }));

Deno.test("a name that a machine has is refused with what to do", () =>
  withPlaces(async (places) => {
    using _claim = await places.claim("web");
    await assert.rejects(places.claim("web"), (error: Error) => {
      return error instanceof UsageError && /denovisor stop web/.test(error.message);
    });
    using _other = await places.claim("web2");
    assert.deepEqual(await places.names(), ["web", "web2"]);
  }));

Deno.test("of many who want one name at the same time one gets it", () =>
  withPlaces(async (places, runtime) => {
    await leaveStale(places.folder, ["web"]);
    const all = await Promise.allSettled(
      Array.from({ length: 8 }, () => Places.open(around(runtime)).claim("web")),
    );
    const got = all.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
    const refused = all.flatMap((result) => result.status === "rejected" ? [result.reason] : []);
    assert.equal(got.length, 1);
    assert(refused.every((error) => error instanceof UsageError), String(refused));
    assert.deepEqual(sockets(places.folder), ["web.sock"]);
    got[0][Symbol.dispose]();
    assert.deepEqual(sockets(places.folder), []);
  }));

Deno.test("what killed machines have left is cleared by a list, and by who wants the name", () =>
  withPlaces(async (places) => {
    await leaveStale(places.folder, ["one", "two"]);
    assert.deepEqual(sockets(places.folder), ["one.sock", "two.sock"]);
    await assert.rejects(places.connect("one"), NoMachineError);
    using _claim = await places.claim("one");
    assert.deepEqual(await places.names(), ["one"]);
    assert.deepEqual(sockets(places.folder), ["one.sock"]);
  }));

Deno.test("a claim that was given back removes no socket of another's", () =>
  withPlaces(async (places) => {
    const first = await places.claim("web");
    first[Symbol.dispose]();
    using _second = await places.claim("web");
    first[Symbol.dispose]();
    assert.deepEqual(await places.names(), ["web"]);
  }));

Deno.test("a file that is no socket is in the way, and is left alone", () =>
  withPlaces(async (places) => {
    await Deno.writeTextFile(places.path("web"), "precious");
    await assert.rejects(places.claim("web"), /is in the way of a control socket/);
    assert.deepEqual(await places.names(), []);
    assert.equal(await Deno.readTextFile(places.path("web")), "precious");
  }));

Deno.test("a path that no socket can have is refused with what to do", async () => {
  const runtime = await Deno.makeTempDir({ suffix: "x".repeat(60) });
  try {
    const places = Places.open(around(runtime));
    await assert.rejects(places.claim("y".repeat(50)), /Linux allows 107: choose a shorter name/);
  } finally {
    await Deno.remove(runtime, { recursive: true });
  }
});

Deno.test("who only looks makes no folder, and finds no machine", async () => {
  const runtime = await Deno.makeTempDir();
  try {
    assert.equal(Places.find(around(runtime)), undefined);
    assert.deepEqual([...Deno.readDirSync(runtime)], []);
  } finally {
    await Deno.remove(runtime, { recursive: true });
  }
});
