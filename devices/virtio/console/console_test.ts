import assert from "node:assert/strict";
import { connectUnix, Fd, read, writeAll } from "../../../src/ffi/mod.ts";
import { forEachLayout, type Layout } from "../testing/driver.ts";
import { fuzzDevice } from "../testing/fuzz.ts";
import { DeviceRig } from "../testing/rig.ts";
import { ControlEvent, receiveQueue, transmitQueue } from "./protocol.ts";
import { console as module } from "./mod.ts";
import { RingConsole } from "./ring_backend.ts";
import type { ConsoleBackend } from "./ends.ts";
import { CONSOLE_NAME } from "./options.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const CONTROL_IN = 2;
const CONTROL_OUT = 3;

/** The part with the machine's console, which only the machine itself can ask for. */
const CONSOLE_PART = { ...module.consolePart!, name: CONSOLE_NAME };

/** A device with the machine's console. */
function withConsole(): DeviceRig<ConsoleBackend> {
  const owned = new DisposableStack();
  const description = module.create([CONSOLE_PART], {
    id: "console",
    cpus: 1,
    memorySize: 1 << 24,
    own: (resource) => owned.use(resource),
  });
  const rig = DeviceRig.open(module, structuredClone(description));
  const dispose = rig[Symbol.asyncDispose].bind(rig);
  rig[Symbol.asyncDispose] = async () => {
    await dispose();
    owned.dispose();
  };
  return rig;
}

function consoleOf(rig: DeviceRig<ConsoleBackend>): RingConsole {
  const [{ end }] = rig.description.backend.ports;
  assert(end.kind === "rings");
  return new RingConsole(end.rings);
}

/** A control message of the driver's. */
function message(port: number, event: number, value: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, port, true);
  view.setUint16(4, event, true);
  view.setUint16(6, value, true);
  return new Uint8Array(view.buffer);
}

/** What the device has said, as `port event value text`. */
function heard(rig: DeviceRig<ConsoleBackend>): string[] {
  const names = Object.entries(ControlEvent);
  return rig.collect(CONTROL_IN).splice(0).map(({ bytes }) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const name = names.find(([, event]) => event === view.getUint16(4, true))?.[0];
    const more = decoder.decode(bytes.subarray(8));
    return `${view.getUint32(0, true)} ${name} ${view.getUint16(6, true)} ${more}`.trim();
  });
}

/** A driver that knows several ports, up to the point at which it knows them all. */
function greet(rig: DeviceRig<ConsoleBackend>, ports: readonly number[]): void {
  for (let i = 0; i < 16; i++) rig.offer(CONTROL_IN, { writable: [100] });
  rig.request(CONTROL_OUT, { readable: [message(0, ControlEvent.deviceReady, 1)] });
  for (const port of ports) {
    rig.request(CONTROL_OUT, { readable: [message(port, ControlEvent.portReady, 1)] });
  }
}

async function printed(console: RingConsole, length: number): Promise<string> {
  let text = "";
  for await (const chunk of console.output()) {
    text += decoder.decode(chunk);
    if (text.length >= length) break;
  }
  return text;
}

forEachLayout((layout: Layout) => {
  Deno.test(`${layout.name}: what the guest prints comes out, and what is typed goes in`, async () => {
    await using rig = withConsole();
    const terminal = consoleOf(rig);
    rig.start(layout);
    rig.request(1, { readable: [encoder.encode("login"), encoder.encode(": ")] });
    assert.equal(await printed(terminal, 7), "login: ");
    rig.offer(0, { writable: [4, 4] });
    rig.run(() => true);
    await terminal.send(encoder.encode("root\r"));
    rig.run(() => rig.collect(0).length === 1);
    assert.equal(decoder.decode(rig.completed[0].shift()?.bytes), "root\r");
    await terminal.send(encoder.encode("0123456789"));
    rig.offer(0, { writable: [8] });
    rig.offer(0, { writable: [8] });
    rig.run(() => rig.collect(0).length === 2);
    assert.equal(rig.completed[0].map(({ bytes }) => decoder.decode(bytes)).join(), "01234567,89");
  });

  Deno.test(`${layout.name}: a console that nobody reads holds the guest back, and loses nothing`, async () => {
    await using rig = withConsole();
    const terminal = consoleOf(rig);
    rig.start(layout);
    const line = new Uint8Array(8192).map((_, i) => 0x20 + i % 90);
    const total = 20 * line.length;
    for (let i = 0; i < 20; i++) rig.driver.queue(1).offer({ readable: [line] });
    rig.kick(1);
    rig.run(() => true);
    assert(rig.collect(1).length < 20, "the ring is full before that");
    let bytes = 0;
    const reader = (async () => {
      for await (const chunk of terminal.output()) {
        for (const byte of chunk) assert.equal(byte, line[bytes++ % line.length]);
        if (bytes >= total) return;
      }
    })();
    await rig.runAsync(() => bytes >= total);
    await reader;
    rig.run(() => rig.collect(1).length === 20);
  });

  Deno.test(`${layout.name}: ports are announced, named, opened and closed`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await using rig = DeviceRig.create(module, [
        `agent,uds=${folder}/agent`,
        `log,file=${folder}/log`,
      ]);
      rig.start(layout);
      greet(rig, [1, 2]);
      assert.deepEqual(
        heard(rig),
        [
          "1 portAdd 0",
          "2 portAdd 0",
          "1 portName 1 agent",
          "2 portName 1 log",
          "2 portOpen 1",
        ],
      );
      rig.request(CONTROL_OUT, { readable: [message(2, ControlEvent.portOpen, 1)] });
      rig.request(transmitQueue(2), { readable: [encoder.encode("line\n")] });
      assert.equal(await Deno.readTextFile(`${folder}/log`), "line\n");

      using client = new Fd(connectUnix(`${folder}/agent`), "client");
      rig.run(() => rig.device.command?.("ports", null) !== undefined && heard(rig).length === 1);
      rig.request(CONTROL_OUT, { readable: [message(1, ControlEvent.portOpen, 1)] });
      rig.request(transmitQueue(1), { readable: [encoder.encode("hello")] });
      const bytes = new Uint8Array(16);
      assert.equal(read(client.raw, bytes, "client"), 5);
      writeAll(client.raw, encoder.encode("there"), "client");
      rig.offer(receiveQueue(1), { writable: [64] });
      rig.run(() => rig.collect(receiveQueue(1)).length === 1);
      assert.equal(decoder.decode(rig.completed[receiveQueue(1)][0].bytes), "there");
      assert.deepEqual(rig.command("ports"), [
        { name: "agent", open: true, connected: true },
        { name: "log", open: true, connected: true },
      ]);
      rig.offer(receiveQueue(1), { writable: [64] });
      client.close();
      rig.run(() => {
        rig.collect(CONTROL_IN);
        return rig.completed[CONTROL_IN].length === 1;
      });
      assert.deepEqual(heard(rig), ["1 portOpen 0"]);
      rig.request(transmitQueue(1), { readable: [encoder.encode("anybody?")] });
      assert.equal(rig.metrics.read().droppedBytes, 8);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});

Deno.test("a buffer with no room for input comes back empty, and costs the port nothing", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using rig = DeviceRig.create(module, [`agent,uds=${folder}/agent`]);
    rig.start();
    greet(rig, [1]);
    rig.request(CONTROL_OUT, { readable: [message(1, ControlEvent.portOpen, 1)] });
    using client = new Fd(connectUnix(`${folder}/agent`), "client");
    heard(rig);
    rig.run(() => heard(rig).includes("1 portOpen 1"));
    const { bytes } = rig.request(receiveQueue(1), { readable: [encoder.encode("no room")] });
    assert.equal(bytes.length, 0);
    assert.deepEqual(rig.command("ports"), [{ name: "agent", open: true, connected: true }]);
    rig.offer(receiveQueue(1), { writable: [64] });
    writeAll(client.raw, encoder.encode("text"), "client");
    rig.run(() => rig.collect(receiveQueue(1)).length === 1);
    assert.equal(decoder.decode(rig.completed[receiveQueue(1)][0].bytes), "text");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

forEachLayout((layout: Layout) => {
  Deno.test(`${layout.name}: a client that leaves costs the guest what it then writes, and nothing else`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await using rig = DeviceRig.create(module, [`agent,uds=${folder}/agent`]);
      rig.start(layout);
      greet(rig, [1]);
      rig.request(CONTROL_OUT, { readable: [message(1, ControlEvent.portOpen, 1)] });
      const [transmit, receive] = [transmitQueue(1), receiveQueue(1)];
      const news = () => {
        rig.collect(CONTROL_IN);
        return rig.completed[CONTROL_IN].length > 0;
      };
      heard(rig);
      for (let round = 0; round < 3; round++) {
        {
          using client = new Fd(connectUnix(`${folder}/agent`), "client");
          rig.run(news);
          assert.deepEqual(heard(rig), ["1 portOpen 1"]);
          writeAll(client.raw, encoder.encode("ready"), "client");
          rig.offer(receive, { writable: [64] });
          rig.run(() => rig.collect(receive).length === 1);
          assert.equal(decoder.decode(rig.completed[receive].shift()?.bytes), "ready");
        }
        // The first of the writes finds that the client has left.
        for (let i = 0; i < 3; i++) {
          rig.driver.queue(transmit).offer({ readable: [encoder.encode("gone")] });
        }
        rig.kick(transmit);
        rig.run(() => rig.collect(transmit).length === 3);
        rig.completed[transmit].length = 0;
        rig.run(news);
        assert.deepEqual(heard(rig), ["1 portOpen 0"]);
      }
      assert.equal(rig.metrics.read().outputBytes, 0);
      assert.equal(rig.metrics.read().droppedBytes, 3 * 3 * 4);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});

Deno.test("the terminal's size is in the configuration, and its change is told", async () => {
  await using rig = withConsole();
  const terminal = consoleOf(rig);
  rig.start();
  assert.deepEqual([rig.config.field(0, 2), rig.config.field(2, 2)], [80, 25]);
  terminal.resize(132, 50);
  const before = rig.config.changes;
  rig.run(() => rig.config.changes > before);
  assert.deepEqual([rig.config.field(0, 2), rig.config.field(2, 2)], [132, 50]);
});

Deno.test("each driver that starts is told of the terminal's size, as Linux reads it at no other time", async () => {
  await using rig = withConsole();
  consoleOf(rig).resize(132, 50);
  rig.start();
  rig.run(() => rig.config.field(0, 2) === 132);
  const before = rig.config.changes;
  rig.reset();
  rig.start();
  assert.equal(rig.config.changes, before + 1);
  assert.deepEqual([rig.config.field(0, 2), rig.config.field(2, 2)], [132, 50]);
});

Deno.test("a pseudo-terminal is reached through its link, and the link goes with it", async () => {
  const folder = await Deno.makeTempDir();
  const link = `${folder}/tty`;
  try {
    {
      await using rig = DeviceRig.create(module, [`shell,pty=${link}`]);
      rig.start();
      greet(rig, [1]);
      rig.request(CONTROL_OUT, { readable: [message(1, ControlEvent.portOpen, 1)] });
      using terminal = Fd.open(link, 2 | 0o400, "terminal");
      writeAll(terminal.raw, encoder.encode("ls\n"), "terminal");
      rig.offer(receiveQueue(1), { writable: [64] });
      rig.run(() => rig.collect(receiveQueue(1)).length === 1);
      assert.equal(decoder.decode(rig.completed[receiveQueue(1)][0].bytes), "ls\n");
      rig.request(transmitQueue(1), { readable: [encoder.encode("README\r\n")] });
      const bytes = new Uint8Array(16);
      assert.equal(
        decoder.decode(bytes.subarray(0, read(terminal.raw, bytes, "terminal"))),
        "README\r\n",
      );
    }
    await assert.rejects(Deno.lstat(link), Deno.errors.NotFound);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a port without an end, with two, with a path that can't be, or a name twice is refused", () => {
  const wrong: [string[], RegExp][] = [
    [["agent"], /port agent: it has 0 ends.*file, uds, pty and stdio/],
    [["agent,file=/tmp/x,stdio"], /port agent: it has 2 ends/],
    [["agent,file=/nowhere/x"], /port agent: file: \/nowhere\/x can't be written/],
    [["a,stdio", "a,stdio"], /port a: there are two/],
    [Array.from({ length: 31 }, (_, i) => `p${i},stdio`), /31 ports.*at most 30/],
  ];
  for (const [ports, expected] of wrong) {
    assert.throws(() => DeviceRig.create(module, ports), expected);
  }
});

Deno.test("which ports the guest has open survives a save", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const port = `log,file=${folder}/log`;
    await using rig = DeviceRig.create(module, [port]);
    rig.start();
    greet(rig, [1]);
    rig.request(CONTROL_OUT, { readable: [message(1, ControlEvent.portOpen, 1)] });
    await using next = DeviceRig.create(module, [port], { saved: rig.save() });
    next.resume();
    assert.deepEqual(next.command("ports"), [{ name: "log", open: true, connected: true }]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a console device stands hostile drivers", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await fuzzDevice({
      module,
      options: [`a,file=${folder}/a`, `b,uds=${folder}/b`],
      requestGenerator: (random) => {
        const queue = random.below(8);
        if (queue === CONTROL_OUT) {
          const event = random.below(9);
          return { queue, readable: [message(random.below(4), event, random.below(3))] };
        }
        if (queue % 2 === 0) return { queue, writable: [random.length(256)] };
        return { queue, readable: [random.bytes(random.length(256))] };
      },
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
