/**
 * Guests and agents that die in the middle, and hosts that lose interest.
 * @module
 */
import assert from "node:assert/strict";
import { agentTest, NativeAgent, runsAgent } from "../../../tests/guest/native_agent.ts";
import { Guest, GuestGoneError, GuestTimeoutError } from "./mod.ts";

/** What is told at once, and no timeout. */
const AT_ONCE_MS = 1000;

/** The descriptors that this process has. */
function descriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** Everything that can wait for a guest, each waiting. */
async function waiting(guest: Guest): Promise<Promise<unknown>[]> {
  const process = await guest.spawn(["sleep", "1000"], { stdin: "piped" });
  const silent = new ReadableStream<Uint8Array>();
  const all = [
    process.status,
    new Response(process.stdout).text(),
    guest.exec(["sleep", "1000"]),
    guest.exec(["cat"], { stdin: silent }),
    guest.exec(["cat"], { tty: { columns: 80, rows: 25 } }),
    guest.writeFile("/dev/null", new ReadableStream<Uint8Array>()),
    guest.readFile("/dev/zero", { maxBytes: Infinity }),
  ];
  for (const promise of all) promise.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 50));
  return all;
}

async function allFail(all: readonly Promise<unknown>[], message: RegExp): Promise<void> {
  const began = performance.now();
  for (const promise of all) {
    await assert.rejects(promise, (error) => {
      assert(error instanceof GuestGoneError, `${error}`);
      assert.match(error.message, message);
      return true;
    });
  }
  const took = performance.now() - began;
  assert(took < AT_ONCE_MS, `it took ${took} ms`);
}

agentTest("all that waits for an agent fails at once when it dies", async (agent) => {
  const before = descriptors();
  const all = await waiting(agent.guest);
  await agent.kill();
  await allFail(all, /agent has ended the connection/);
  await assert.rejects(agent.guest.exec(["true"]), /can't be reached/);
  assert(descriptors() <= before + 1, "descriptors are left");
});

agentTest(
  "all that waits for a machine fails at once with the reason of its end",
  async (agent) => {
    const all = await waiting(agent.guest);
    agent.end(new Error("kernel panic"));
    await allFail(all, /^the guest is gone: kernel panic$/);
    await assert.rejects(agent.guest.exec(["true"]), /kernel panic/);
  },
);

agentTest(
  "a broken connection waits for the machine's reason, which comes later",
  async (agent) => {
    const all = await waiting(agent.guest);
    await agent.kill();
    setTimeout(() => agent.end(new Error("kernel panic")), 20);
    await allFail(all, /^the guest is gone: kernel panic$/);
  },
);

agentTest("what an agent has started ends with it", async (agent) => {
  const { pid } = await agent.guest.spawn(["sh", "-c", "sleep 1000"]);
  await agent.kill();
  for (let i = 0; i < 200; i++) {
    const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "State:\tZ");
    if (/^State:\s+[ZX]/m.test(status)) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail("it lives on");
});

agentTest("no descriptor is left of what was done", async ({ guest, folder }) => {
  let before = 0;
  for (let i = 0; i < 25; i++) {
    // What earlier tests had is closed by then.
    if (i === 5) before = descriptors();
    await guest.exec(["cat"], { stdin: "x" });
    await guest.exec(["nosuch"]).catch(() => {});
    await guest.exec(["sleep", "10"], { timeout: 5 }).catch(() => {});
    await guest.readFile("/no/file").catch(() => {});
    await guest.writeFile(`${folder}/x`, "x");
    await guest.copyOut(folder, `${folder}-out`).catch(() => {});
    await guest.writeFile("/no/file", new ReadableStream()).catch(() => {});
    await Deno.remove(`${folder}-out`, { recursive: true });
  }
  assert(descriptors() <= before, `${descriptors()} after ${before}`);
});

agentTest("hosts that say nothing, or nonsense, keep nobody else from the agent", async (agent) => {
  const silent = await Promise.all(Array.from({ length: 100 }, () => agent.connect()));
  for (const [i, connection] of silent.entries()) {
    if (i % 2 === 0) await connection.write(crypto.getRandomValues(new Uint8Array(i)));
  }
  assert.equal((await agent.guest.exec(["echo", "ok"])).stdoutText, "ok\n");
  // Those that have said what is no request are hung up on.
  const wrong = await agent.connect();
  await wrong.write(new Uint8Array(32).fill(0xaa));
  assert.equal(await wrong.read(new Uint8Array(1)).catch(() => null), null);
  wrong.close();
  for (const connection of silent) connection.close();
  assert.equal((await agent.guest.exec(["echo", "ok"])).stdoutText, "ok\n");
});

Deno.test({
  name: "nothing is asked before the agent is ready, and waiting for that can be given up",
  ignore: !runsAgent,
  fn: async () => {
    await using agent = await NativeAgent.start();
    const ready = Promise.withResolvers<void>();
    let connections = 0;
    const connect = () => {
      connections++;
      return agent.connect();
    };
    const ended = Promise.withResolvers<Error>();
    const guest = new Guest({ connect, ready: ready.promise, ended: ended.promise });
    await assert.rejects(guest.exec(["true"], { timeout: 20 }), GuestTimeoutError);
    const abort = new AbortController();
    const given = guest.exec(["true"], { signal: abort.signal });
    abort.abort(new Error("enough"));
    await assert.rejects(given, /enough/);
    assert.equal(connections, 0);
    const waiting = guest.exec(["echo", "ok"]);
    ready.resolve();
    await guest.ready;
    assert.equal((await waiting).stdoutText, "ok\n");
    ended.resolve(new Error("powered off"));
    await assert.rejects(guest.exec(["true"]), /powered off/);
  },
});

Deno.test("a machine that ends before its agent is ready tells those who wait", async () => {
  const ended = Promise.withResolvers<Error>();
  const connect = () => Promise.reject(new Error("not to be called"));
  const guest = new Guest({ connect, ready: new Promise(() => {}), ended: ended.promise });
  const all = [guest.exec(["true"]), guest.ready, guest.readFile("/x")];
  for (const promise of all) promise.catch(() => {});
  ended.resolve(new Error("no root"));
  for (const promise of all) await assert.rejects(promise, /^GuestGoneError: .*no root/);
});

Deno.test("an agent that will never be ready is told of, with the machine's end if there is one", async () => {
  const connect = () => Promise.reject(new Error("not to be called"));
  const ended = Promise.withResolvers<Error>();
  const ready = () => Promise.reject(new Error("nobody listens for it"));
  const first = new Guest({ connect, ready: ready(), ended: new Promise(() => {}) });
  await assert.rejects(first.exec(["true"]), /^GuestGoneError: .*nobody listens for it$/);
  const second = new Guest({ connect, ready: ready(), ended: ended.promise });
  ended.resolve(new Error("no root"));
  await assert.rejects(second.ready, /^GuestGoneError: the guest is gone: no root$/);
});

Deno.test("a connection that is slow to come can be given up, and is closed when it comes", async () => {
  let isClosed = false;
  const connection = Promise.withResolvers<
    { read(): Promise<null>; write(): Promise<number>; close(): void }
  >();
  const guest = new Guest({
    connect: () => connection.promise,
    ended: new Promise<Error>(() => {}),
  });
  await assert.rejects(guest.info({ timeout: 10 }), GuestTimeoutError);
  connection.resolve({
    read: () => Promise.resolve(null),
    write: () => Promise.resolve(0),
    close: () => void (isClosed = true),
  });
  await new Promise((resolve) => setTimeout(resolve));
  assert(isClosed);
});
