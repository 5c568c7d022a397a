/**
 * Guests whose agent is somebody else: what it sends is refused, and nothing of the host's is touched.
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { Channel } from "./channel.ts";
import { Guest, GuestError, GuestGoneError, ProtocolError } from "./mod.ts";
import { encodeFields, type Field, FrameType, HEADER_BYTES, MAX_PAYLOAD } from "./protocol.ts";

/** How long anything here may take, before it's hanging. */
const LIMIT = 5000;

/** Talks to whoever connects, once the request has been read. */
type Talk = (channel: Channel, connection: Deno.UnixConn) => Promise<void>;

/** A guest whose agent says what a test says. */
async function withFake(
  talk: Talk,
  body: (guest: Guest, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-agent-" });
  const path = join(folder, "socket");
  const listener = Deno.listen({ transport: "unix", path });
  const serving = (async () => {
    const talks: Promise<void>[] = [];
    for await (const connection of listener) talks.push(serve(connection, talk));
    await Promise.all(talks);
  })();
  try {
    const connect = () => Deno.connect({ transport: "unix", path });
    await body(new Guest({ connect, ended: new Promise<Error>(() => {}) }), folder);
  } finally {
    listener.close();
    await serving;
    await Deno.remove(folder, { recursive: true });
  }
}

async function serve(connection: Deno.UnixConn, talk: Talk): Promise<void> {
  const channel = new Channel(connection);
  try {
    await channel.read();
    await channel.read();
    await talk(channel, connection);
  } catch (error) {
    // The host may hang up on it at any time.
    if (!(error instanceof Error)) throw error;
  } finally {
    channel.close();
  }
}

/** Sends a tree's entries, each with its file's text. */
function sendTree(...entries: readonly (readonly [fields: Field[], text?: string])[]): Talk {
  return async (channel) => {
    for (const [fields, text] of entries) {
      await channel.sendFields(FrameType.entry, fields);
      if (text === undefined) continue;
      await channel.send(FrameType.data, new TextEncoder().encode(text));
      await channel.send(FrameType.end, new Uint8Array());
    }
    await channel.send(FrameType.end, new Uint8Array());
    await channel.read();
  };
}

const attributes: Field[] = [["m", "777"], ["o", "0"], ["g", "0"], ["t", "0.000000000"]];
const folder = (path: string): [Field[]] => [[["k", "d"], ["p", path], ...attributes]];
const endOf = (path: string): [Field[]] => [[["k", "D"], ["p", path], ...attributes]];
const file = (
  path: string,
): [Field[], string] => [[["k", "f"], ["p", path], ...attributes], "evil"];
const link = (path: string, to: string): [Field[]] => {
  return [[["k", "l"], ["p", path], ["l", to], ...attributes]];
};
const hard = (path: string, to: string): [Field[]] => [[["k", "h"], ["p", path], ["l", to]]];

const ESCAPES: Readonly<Record<string, Talk>> = {
  "a path above the target": sendTree(folder(""), file("../outside/evil")),
  "an absolute path": sendTree(folder(""), file("/tmp/evil")),
  "a folder that is `..`": sendTree(folder(""), folder(".."), file("../evil")),
  "a folder that is `.`": sendTree(folder(""), folder("."), file("./evil")),
  "a path with `..` in a folder": sendTree(folder(""), folder("a"), file("a/../../outside/evil")),
  "a file below a link": sendTree(folder(""), link("a", "../outside"), file("a/evil")),
  "a folder in place of a link": sendTree(
    folder(""),
    link("a", "../outside"),
    folder("a"),
    file("a/evil"),
  ),
  "a link in place of an open folder": sendTree(
    folder(""),
    folder("a"),
    endOf("a"),
    link("a", "../outside"),
    folder("a"),
    file("a/evil"),
  ),
  "a second name for a file outside": sendTree(folder(""), hard("a", "../outside/secret")),
  "a second name by way of a link": sendTree(
    folder(""),
    link("a", "../outside"),
    hard("b", "a/secret"),
  ),
  "a second name for a link": sendTree(folder(""), link("a", "../outside/secret"), hard("b", "a")),
  "a root that is a link": sendTree(link("", "outside"), file("")),
  "a second root": sendTree(folder(""), endOf(""), folder(""), file("evil")),
  "a file behind the root's end": sendTree(folder(""), endOf(""), file("evil")),
  "the end of a folder that is not open": sendTree(folder(""), folder("a"), endOf("")),
  "a name with a slash": sendTree(folder(""), file("a/b")),
  "an empty name": sendTree(folder(""), folder("a"), file("a/")),
  "a device": sendTree(folder(""), [[["k", "c"], ["p", "null"], ...attributes]]),
  "a mode that is none": sendTree(folder(""), [[["k", "f"], ["p", "a"], ["m", "77777"]], "x"]),
  "a time that is none": sendTree(folder(""), [
    [["k", "f"], ["p", "a"], ["m", "777"], ["t", "1e99"]],
    "x",
  ]),
};

for (const [what, talk] of Object.entries(ESCAPES)) {
  Deno.test(`copied from a hostile guest, ${what} leaves all else as it was`, async () => {
    await withFake(talk, async (guest, base) => {
      const outside = join(base, "outside");
      await Deno.mkdir(outside, { mode: 0o700 });
      await Deno.writeTextFile(join(outside, "secret"), "secret", { mode: 0o600 });
      await Deno.mkdir(join(base, "to"));
      const copied = guest.copyOut("/", join(base, "to/target"), { timeout: LIMIT });
      await assert.rejects(copied, (error) => {
        // A root that is a link is made as one, and then nothing can be behind it.
        return error instanceof GuestError || error instanceof ProtocolError;
      });
      assert.deepEqual([...Deno.readDirSync(outside)].map(({ name }) => name), ["secret"]);
      assert.equal(Deno.readTextFileSync(join(outside, "secret")), "secret");
      const { mode, nlink } = Deno.statSync(join(outside, "secret"));
      assert.deepEqual([mode! & 0o777, nlink], [0o600, 1]);
      assert.equal(Deno.statSync(outside).mode! & 0o777, 0o700);
      assert.deepEqual([...Deno.readDirSync(base)].map(({ name }) => name).sort(), [
        "outside",
        "socket",
        "to",
      ]);
    });
  });
}

Deno.test("an agent that says what it should not is believed nothing more", async () => {
  const wrong: Talk[] = [
    (channel) => channel.send(FrameType.data, new Uint8Array(3)),
    (channel) => channel.send(0xee, new Uint8Array(3)),
    (channel) => channel.sendFields(FrameType.started, [["x", "1"]]),
    (channel) => channel.sendFields(FrameType.started, [["p", "minus one"]]),
    (channel) => channel.send(FrameType.started, Uint8Array.of(1, 2, 3)),
    (channel) => channel.send(FrameType.error, new Uint8Array()),
    (channel) => channel.write(new Uint8Array(HEADER_BYTES).fill(0xff)),
    async (channel) => {
      await channel.sendFields(FrameType.started, [["p", "1"]]);
      await channel.send(FrameType.data, new Uint8Array(3));
    },
    async (channel) => {
      await channel.sendFields(FrameType.started, [["p", "1"]]);
      await channel.sendFields(FrameType.exited, [["c", "256"]]);
    },
    async (channel) => {
      await channel.sendFields(FrameType.started, [["p", "1"]]);
      await channel.sendFields(FrameType.exited, [["s", "65"]]);
    },
  ];
  for (const talk of wrong) {
    await withFake(talk, async (guest) => {
      const options = { stdout: "null", stderr: "null", timeout: LIMIT } as const;
      await assert.rejects(async () => {
        await using process = await guest.spawn(["true"], options);
        await process.status;
      }, ProtocolError);
    });
  }
});

Deno.test("an agent that only connects, or hangs up, is no agent", async () => {
  await withFake(async () => {}, async (guest) => {
    await assert.rejects(guest.exec(["true"], { timeout: LIMIT }), GuestGoneError);
    await assert.rejects(guest.readFile("/x", { timeout: LIMIT }), GuestGoneError);
    await assert.rejects(guest.writeFile("/x", "y", { timeout: LIMIT }), GuestGoneError);
    await assert.rejects(guest.copyOut("/x", "/nonexistent/y", { timeout: LIMIT }), GuestGoneError);
    await assert.rejects(guest.info({ timeout: LIMIT }), GuestGoneError);
  });
  const half: Talk = async (channel) => {
    await channel.write(Uint8Array.of(200, 0, 0, 0, FrameType.data, 0, 0, 0, 1, 2, 3));
  };
  await withFake(half, async (guest) => {
    await assert.rejects(guest.readFile("/x", { timeout: LIMIT }), GuestGoneError);
  });
});

Deno.test("whatever an agent answers, a request ends with a result or an error of ours", async () => {
  const answers = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.tuple(fc.constantFrom(...Object.values(FrameType)), fc.uint8Array({ maxLength: 20 })).map((
        [type, payload],
      ) => Uint8Array.of(payload.length, 0, 0, 0, type, 0, 0, 0, ...payload)),
      fc.constantFrom("kd", "kf", "p", "pa", "m755", "t1.000000000", "la", "cENOENT", "w", "s9")
        .map((text) => {
          const fields = encodeFields([[text[0], text.slice(1)]]);
          return Uint8Array.of(fields.length, 0, 0, 0, FrameType.entry, 0, 0, 0, ...fields);
        }),
    ),
    { maxLength: 8 },
  );
  let sent: readonly Uint8Array<ArrayBuffer>[] = [];
  const talk: Talk = async (channel) => {
    for (const bytes of sent) await channel.write(bytes);
  };
  await withFake(talk, async (guest, base) => {
    const ours = (error: unknown) => {
      assert(error instanceof GuestError || error instanceof ProtocolError, `${error}`);
    };
    await fc.assert(
      fc.asyncProperty(answers, async (bytes) => {
        sent = bytes.map((piece) => new Uint8Array(piece));
        const options = { timeout: LIMIT };
        await Promise.all([
          guest.stat("/x", options).catch(ours),
          guest.readDir("/x", options).catch(ours),
          guest.readFile("/x", options).catch(ours),
          guest.copyOut("/x", join(base, "to"), options).catch(ours),
          guest.spawn(["x"], { ...options, stdout: "null", stderr: "null" }).then(
            (process) => process.status,
          ).catch(ours),
        ]);
      }),
      { numRuns: 20 },
    );
  });
});

Deno.test("an agent that never stops talking is held to what was asked for", async () => {
  const endless: Talk = async (channel) => {
    for (;;) await channel.send(FrameType.data, new Uint8Array(MAX_PAYLOAD));
  };
  await withFake(endless, async (guest) => {
    await assert.rejects(guest.readFile("/x", { maxBytes: 1 << 20, timeout: LIMIT }), /maxBytes/);
  });
  const names: Talk = async (channel) => {
    for (;;) await channel.sendFields(FrameType.skipped, [["k", "c"], ["p", "x"]]);
  };
  await withFake(names, async (guest, base) => {
    const copied = guest.copyOut("/", join(base, "to"), { maxEntries: 1000, timeout: LIMIT });
    await assert.rejects(copied, /maxEntries/);
  });
});
