import assert from "node:assert/strict";
import { until } from "../testing.ts";
import { ask, askUntilGone, open, type Stream } from "./client.ts";
import { WINDOW } from "./credit.ts";
import { FrameReader } from "./frames.ts";
import { NoMachineError } from "./places.ts";
import {
  ControlError,
  encodeSize,
  type ExecEnd,
  Frames,
  parseEnd,
  type Request,
} from "./protocol.ts";
import { type FakeCommand, type FakeControlled, type Rig, rig } from "./testing.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** What a server answers to bytes of any kind. */
async function raw({ places }: Rig, name: string, bytes: Uint8Array): Promise<string | undefined> {
  const connection = await places.connect(name);
  try {
    for (let done = 0; done < bytes.length;) {
      done += await connection.write(bytes.subarray(done)).catch(() => bytes.length);
    }
    return await new FrameReader(connection).line(1 << 20);
  } finally {
    connection.close();
  }
}

const EXEC = { do: "exec", command: ["cat"], env: [], stdin: true } as const;

async function exec(
  it: Rig,
  machine: FakeControlled,
  request: Partial<Request & { do: "exec" }> = {},
): Promise<[Stream, FakeCommand]> {
  const count = machine.commands.length;
  const stream = await open(it.places, "web", { ...EXEC, env: [], command: ["cat"], ...request });
  return [stream, machine.commands[count]];
}

/** What a command has written, and how it ended. */
async function left({ reader }: Stream): Promise<{ out: string; err: string; end: ExecEnd }> {
  let [out, err] = ["", ""];
  for (;;) {
    const frame = await reader.frame();
    if (frame === undefined) throw new Error("the stream has no end");
    const { type, payload } = frame;
    if (type === Frames.output) out += decode(payload);
    if (type === Frames.errorOutput) err += decode(payload);
    if (type === Frames.end) return { out, err, end: parseEnd(payload) };
  }
}

Deno.test("a machine tells what it is and does, and does what it is asked for", async () => {
  await using it = rig();
  const { machine } = await it.serve("web");
  assert.deepEqual(await ask(it.places, "web", { do: "info" }), machine.info());
  assert.deepEqual(await ask(it.places, "web", { do: "stats" }), machine.stats());
  await ask(it.places, "web", { do: "pause" });
  assert.equal((await ask(it.places, "web", { do: "info" })).state, "paused");
  await ask(it.places, "web", { do: "resume" });
  assert.equal(machine.state, "running");
  const how = await askUntilGone(it.places, "web", { do: "stop", force: true, timeout: 5 }, 5000);
  assert.deepEqual(how, { how: "stopped" });
  assert.deepEqual(machine.stops.map(({ force, timeout }) => [force, timeout]), [[true, 5]]);
  await assert.rejects(ask(it.places, "other", { do: "info" }), NoMachineError);
});

Deno.test("what a machine refuses is told with its kind and its reason", async () => {
  await using it = rig();
  const { machine } = await it.serve("web");
  machine.onRequest = () => Promise.reject(new ControlError("no-agent", "there is none"));
  await assert.rejects(ask(it.places, "web", { do: "pause" }), (error: Error) => {
    return error instanceof ControlError && error.kind === "no-agent" &&
      error.exitStatus === 120 && error.message === "there is none";
  });
  machine.onRequest = () => Promise.reject(new Error("the host failed"));
  await assert.rejects(exec(it, machine), /the host failed/);
});

Deno.test("what is no request is refused, and the next one is served", async () => {
  await using it = rig();
  await it.serve("web");
  const kind = async (text: string | Uint8Array) =>
    JSON.parse(await raw(it, "web", typeof text === "string" ? encode(text) : text) ?? "{}").error;
  const request = { denovisor: 1, do: "stop", force: true, timeout: 1000 };
  const wrong = [
    "nothing\n",
    "{}\n",
    "[]\n",
    '{"denovisor":1}\n',
    '{"denovisor":1,"do":"dance"}\n',
    `${JSON.stringify({ ...request, timeout: -1 })}\n`,
    `${JSON.stringify({ ...request, force: 1 })}\n`,
    '{"denovisor":1,"do":"exec","command":[],"env":[],"stdin":false}\n',
    '{"denovisor":1,"do":"exec","command":["a"],"env":[],"stdin":false,"tty":{"columns":1e9,"rows":1}}\n',
  ];
  for (const text of wrong) assert.equal((await kind(text)).kind, "request", text);
  assert.deepEqual(
    [(await kind('{"denovisor":2,"do":"info"}\n')).kind],
    ["version"],
  );
  assert.match((await kind(new Uint8Array(1 << 20).fill(0x20))).message, /line is longer/);
  assert.match((await kind(Uint8Array.of(0xff, 0x0a))).message, /not UTF-8/);
  assert.equal((await ask(it.places, "web", { do: "info" })).name, "web");
});

Deno.test("a field that a later version adds is left alone", async () => {
  await using it = rig();
  await it.serve("web");
  const answer = await raw(it, "web", encode('{"denovisor":1,"do":"pause","softly":true}\n'));
  assert.equal(answer, '{"ok":{}}');
});

Deno.test("a process that does not answer is told after a while", async () => {
  await using it = rig();
  const { machine } = await it.serve("web");
  const never = Promise.withResolvers<void>();
  machine.onRequest = () => never.promise;
  await assert.rejects(
    ask(it.places, "web", { do: "pause" }, 50),
    /the process of the machine web did not answer within 0\.05 s/,
  );
  never.resolve();
});

Deno.test("a command's streams, its status and its terminal's size pass through", async () => {
  await using it = rig();
  const { machine } = await it.serve("web");
  const [stream, command] = await exec(it, machine, {
    command: ["sh", "-c", "x"],
    env: ["A=b"],
    cwd: "/tmp",
    user: "nobody",
  });
  using _stream = stream;
  const { do: _do, stdin: _stdin, ...request } = command.request;
  assert.deepEqual(request, {
    command: ["sh", "-c", "x"],
    env: ["A=b"],
    cwd: "/tmp",
    user: "nobody",
  });
  await stream.writer.frame(Frames.input, encode("in"));
  await stream.writer.frame(Frames.resize, encodeSize({ columns: 100, rows: 30 }));
  await stream.writer.frame(Frames.signal, Uint8Array.of(2));
  await stream.writer.frame(Frames.inputEnd, new Uint8Array(0));
  await until(() => command.events.includes("end"), "the input ends");
  assert.deepEqual(command.events.toSorted(), ["end", "kill:2", "size:100x30", "stdin:in"]);
  const written = left(stream);
  await command.print("out");
  await command.err.write(encode("err"));
  await command.exit(7);
  assert.deepEqual(await written, { out: "out", err: "err", end: { code: 7, signal: null } });
  await until(() => command.events.includes("disposed"), "the command is given back");
});

Deno.test("input that a command does not take holds no signal up", async () => {
  await using it = rig();
  const { machine } = await it.serve("web");
  const [stream, command] = await exec(it, machine);
  using _stream = stream;
  const taking = Promise.withResolvers<void>();
  command.onInput = () => taking.promise;
  for (let sent = 0; sent < WINDOW; sent += 1 << 14) {
    await stream.writer.frame(Frames.input, new Uint8Array(1 << 14));
  }
  await stream.writer.frame(Frames.signal, Uint8Array.of(15));
  await until(() => command.events.includes("kill:15"), "the signal arrives");
  taking.resolve();
  await command.exit(0, 15);
  assert.deepEqual((await left(stream)).end, { code: 0, signal: 15 });
});

Deno.test("a client that sends more than it has credit for is told so, and its command is ended", async () => {
  await using it = rig();
  const { machine } = await it.serve("web");
  const [stream, command] = await exec(it, machine);
  using _stream = stream;
  command.onInput = () => new Promise(() => {});
  const sending = (async () => {
    for (let sent = 0; sent <= WINDOW; sent += 1 << 14) {
      await stream.writer.frame(Frames.input, new Uint8Array(1 << 14));
    }
  })();
  await assert.rejects(left(stream), /input without credit/);
  await sending.catch(() => {});
  await until(() => command.events.includes("disposed"), "the command is ended");
});

Deno.test("a frame that makes no sense ends the command, and nothing else", async () => {
  await using it = rig();
  const { machine } = await it.serve("web");
  for (
    const [type, payload, message] of [
      [200, [], /no frame of type 200/],
      [Frames.resize, [1], /1 bytes instead of 4/],
      [Frames.signal, [0], /no signal 0/],
      [Frames.signal, [65], /no signal 65/],
    ] as const
  ) {
    const [stream, command] = await exec(it, machine);
    using _stream = stream;
    await stream.writer.frame(type, Uint8Array.from(payload));
    await assert.rejects(left(stream), message);
    await until(() => command.events.includes("disposed"), "the command is ended");
  }
  assert.equal((await ask(it.places, "web", { do: "info" })).name, "web");
});

Deno.test("a client that goes away has its command ended", async () => {
  await using it = rig();
  const { machine } = await it.serve("web");
  const [stream, command] = await exec(it, machine);
  stream[Symbol.dispose]();
  await until(() => command.events.includes("disposed"), "the command is ended");
});

Deno.test("a client that reads slowly gets all, also behind the command's end", async () => {
  await using it = rig();
  const { machine } = await it.serve("web");
  const [stream, command] = await exec(it, machine);
  using _stream = stream;
  const total = 4 << 20;
  const writing = (async () => {
    const block = new Uint8Array(1 << 16).fill(0x78);
    for (let sent = 0; sent < total; sent += block.length) await command.out.write(block);
    await command.exit(0);
  })();
  command.end(3);
  // Longer than what a command leaves behind may keep its output open.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const { out, end } = await left(stream);
  assert.deepEqual([out.length, end.code], [total, 3]);
  await writing;
});

Deno.test("what a command has left running does not keep its client waiting", async () => {
  await using it = rig();
  const { machine } = await it.serve("web");
  const [stream, command] = await exec(it, machine);
  using _stream = stream;
  await command.print("started\n");
  command.end(0);
  assert.deepEqual(await left(stream), {
    out: "started\n",
    err: "",
    end: { code: 0, signal: null },
  });
});

Deno.test("a guest that dies under a command is an error at once", async () => {
  await using it = rig();
  const { machine } = await it.serve("web");
  const [stream, command] = await exec(it, machine);
  using _stream = stream;
  command.fail(new ControlError("ended", "the guest is gone"));
  await assert.rejects(left(stream), /the guest is gone/);
});

Deno.test("the end of a machine ends what goes on, with the reason, and its socket", async () => {
  await using it = rig();
  const { machine, server } = await it.serve("web");
  const [stream] = await exec(it, machine);
  using _stream = stream;
  using console = await open(it.places, "web", { do: "console" });
  // One that says nothing does not hold the end up.
  using silent = await it.places.connect("web");
  machine.console.print(encode("bye\n"));
  machine.console.end();
  await server[Symbol.asyncDispose]();
  await assert.rejects(left(stream), /the machine has ended/);
  assert.deepEqual(await left(console), { out: "bye\n", err: "", end: { code: 0, signal: null } });
  assert.equal(await silent.read(new Uint8Array(1)), null);
  assert.deepEqual(await it.places.names(), []);
});

Deno.test("several terminals share a console, and one that reads nothing holds no other up", async () => {
  await using it = rig();
  const { machine } = await it.serve("web");
  machine.console.print(encode("before\n"));
  using first = await open(it.places, "web", { do: "console" });
  using _stuck = await open(it.places, "web", { do: "console" });
  await first.writer.frame(Frames.input, encode("ab"));
  await first.writer.frame(Frames.resize, encodeSize({ columns: 90, rows: 20 }));
  await until(() => machine.typed === "ab" && machine.sizes.length === 1, "it is typed");
  let out = "";
  const block = `${"y".repeat(65_535)}\n`;
  const reading = (async () => {
    while (out.length < "before\n".length + 64 * block.length) {
      const frame = await first.reader.frame();
      if (frame?.type === Frames.output) out += decode(frame.payload);
    }
  })();
  for (let i = 0; i < 64; i++) {
    machine.console.print(encode(block));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await reading;
  assert.equal(out, "before\n" + block.repeat(64));
});

Deno.test("more connections than there may be are closed, and others served when some have gone", async () => {
  await using it = rig();
  await it.serve("web");
  const held = await Promise.all(Array.from({ length: 64 }, () => it.places.connect("web")));
  await assert.rejects(ask(it.places, "web", { do: "info" }), ControlError);
  for (const connection of held) connection.close();
  for (let tries = 0;; tries++) {
    try {
      await ask(it.places, "web", { do: "info" });
      break;
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
});
