import assert from "node:assert/strict";
import { join } from "node:path";
import { connectVsock, listenForReady, VsockTransport } from "./mod.ts";
import { encodeFields, frame, FrameType } from "./protocol.ts";

const encoder = new TextEncoder();

/** A socket device's host side: answers what a client asks for, by the port. */
async function withDevice(
  serve: (request: string, connection: Deno.UnixConn) => Promise<void>,
  body: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "denovisor-vsock-" });
  const path = join(folder, "vsock");
  const listener = Deno.listen({ transport: "unix", path });
  const serving = (async () => {
    for await (const connection of listener) {
      const line = new Uint8Array(32);
      const count = await connection.read(line) ?? 0;
      await serve(new TextDecoder().decode(line.subarray(0, count)), connection);
    }
  })();
  try {
    await body(path);
  } finally {
    listener.close();
    await serving;
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a port of the guest's is asked for, and what follows the answer is not lost", async () => {
  const asked: string[] = [];
  await withDevice(async (request, connection) => {
    asked.push(request);
    // In two pieces, and with what the guest says at once.
    await connection.write(encoder.encode("OK 10737"));
    await new Promise((resolve) => setTimeout(resolve, 10));
    await connection.write(encoder.encode("41824\nhello"));
    const bytes = new Uint8Array(100);
    const count = await connection.read(bytes);
    assert.equal(new TextDecoder().decode(bytes.subarray(0, count ?? 0)), "ping");
    assert.equal(await connection.read(bytes), null);
    await connection.write(encoder.encode(" end"));
    connection.close();
  }, async (path) => {
    using connection = await connectVsock(path, 52);
    assert.equal(await connection.write(encoder.encode("ping")), 4);
    await connection.closeWrite();
    let text = "";
    const into = new Uint8Array(3);
    for (;;) {
      const count = await connection.read(into);
      if (count === null) break;
      text += new TextDecoder().decode(into.subarray(0, count));
    }
    assert.equal(text, "hello end");
    assert.deepEqual(asked, ["CONNECT 52\n"]);
  });
});

Deno.test("a port that nobody listens at is refused, by name", async () => {
  const answers = ["", "NO\n", "OK x\n", "x".repeat(40)];
  for (const answer of answers) {
    await withDevice(async (_, connection) => {
      if (answer !== "") await connection.write(encoder.encode(answer));
      connection.close();
    }, async (path) => {
      await assert.rejects(connectVsock(path, 7), (error) => {
        assert(error instanceof Deno.errors.ConnectionRefused);
        assert.match(error.message, /nobody listens at port 7 of the guest/);
        return true;
      });
    });
  }
  await assert.rejects(connectVsock("/no/such/socket", 7), Deno.errors.NotFound);
});

/** Says something as a guest that has connected to the host. */
async function say(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  using connection = await Deno.connect({ transport: "unix", path });
  await connection.write(bytes);
  // Until the other side has heard it.
  await connection.read(new Uint8Array(1)).catch(() => {});
}

const notice = (version: string) => frame(FrameType.ready, encodeFields([["v", version]]));

Deno.test("a guest's notice is heard, again after each start, and nonsense is not", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "vsock");
    {
      using listener = listenForReady(path);
      let heard = 0;
      const first = listener.next().then(() => heard++);
      await say(`${path}_52`, new Uint8Array(8).fill(0xff));
      await say(`${path}_52`, notice("99"));
      await say(`${path}_52`, frame(FrameType.done, encodeFields([["v", "1"]])));
      assert.equal(heard, 0);
      await say(`${path}_52`, notice("1"));
      await first;
      const second = listener.next();
      await say(`${path}_52`, notice("1"));
      await second;
    }
    assert.throws(() => Deno.statSync(`${path}_52`), Deno.errors.NotFound);
    const transport = new VsockTransport(path, new Promise(() => {}));
    let isReady = false;
    transport.ready.then(() => isReady = true, () => {});
    const open = await Deno.connect({ transport: "unix", path: `${path}_52` });
    transport[Symbol.dispose]();
    transport[Symbol.dispose]();
    await assert.rejects(transport.ready, Deno.errors.Interrupted);
    assert.equal(isReady, false);
    assert.equal(await open.read(new Uint8Array(1)).catch(() => null), null);
    open.close();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
