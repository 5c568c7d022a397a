import assert from "node:assert/strict";
import { count, type OptionFields, withDefault } from "../options.ts";
import { DeviceError, type VirtioModule } from "../virtio/module.ts";
import { forEachLayout } from "../virtio/testing/driver.ts";
import { fuzzDevice } from "../virtio/testing/fuzz.ts";
import { DeviceRig } from "../virtio/testing/rig.ts";
import { userDevice } from "./modules.ts";
import type { VirtioRequest } from "./request.ts";
import { defineVirtioDevice, type VirtioDeviceDefinition } from "./virtio_device.ts";

const URL = "file:///home/me/device.ts";
/** Half as many as a queue of 64 has room for, each of two pieces: more than are served in a turn. */
const BUFFERS = 32;

function moduleOf<F extends OptionFields>(definition: VirtioDeviceDefinition<F>): VirtioModule {
  const device = userDevice(URL, { default: definition });
  assert(device.kind === "virtio");
  return device.module;
}

/** Adds a number to each byte. */
const adder = moduleOf(defineVirtioDevice({
  type: 4242,
  options: { by: withDefault(count("N", "what is added", 0, 255), 1) },
  queues: [64, 8],
  config: ({ by }) => Uint8Array.of(by, 0),
  writableConfig: [{ offset: 1, size: 1 }],
  metrics: ["requests"],
  open: ({ options, metrics }) => ({
    request(request) {
      request.write(request.read().map((byte) => byte + options.by));
      metrics.add("requests");
    },
  }),
}));

function serving(request: (request: VirtioRequest, queue: number) => void | false): VirtioModule {
  return moduleOf({ type: 1, queues: [64], open: () => ({ request }) });
}

forEachLayout((layout) => {
  Deno.test(`${layout.name}: each buffer of every queue is served with the device's options`, async () => {
    await using rig = DeviceRig.create(adder, "by=2");
    rig.start(layout);
    const readable = [Uint8Array.of(1, 2), Uint8Array.of(3, 255)];
    const { bytes, written } = rig.request(0, { readable, writable: [1, 7] });
    assert.deepEqual([written, ...bytes.subarray(0, written)], [4, 3, 4, 5, 1]);
    assert.equal(rig.request(1, { readable, writable: [3] }).written, 3);
    assert.equal(rig.metrics.read().requests, 2);
    assert.equal(rig.config.field(0, 1), 2);
  });

  Deno.test(`${layout.name}: more buffers than fit in a turn are all served, in order`, async () => {
    await using rig = DeviceRig.create(adder, {});
    rig.start(layout);
    for (let i = 0; i < BUFFERS; i++) {
      rig.driver.queue(0).offer({ readable: [Uint8Array.of(i)], writable: [1] });
    }
    rig.kick(0);
    rig.run(() => rig.collect(0).length === BUFFERS);
    assert.deepEqual(
      rig.completed[0].map(({ bytes }) => bytes[0]),
      [...Array(BUFFERS).keys()].map((i) => i + 1),
    );
  });

  Deno.test(`${layout.name}: a buffer that can't be served yet stays first until the device looks again`, async () => {
    let ready = false;
    let again = (_queue: number) => {};
    const module = moduleOf(defineVirtioDevice({
      type: 1,
      queues: [64],
      open(context) {
        again = context.again;
        return {
          request(request) {
            if (!ready) return false;
            request.write(Uint8Array.of(7));
          },
        };
      },
    }));
    await using rig = DeviceRig.create(module, {});
    rig.start(layout);
    rig.offer(0, { writable: [1] });
    rig.offer(0, { writable: [1] });
    again(0);
    rig.loop.turn(0);
    assert.equal(rig.collect(0).length, 0);
    ready = true;
    again(0);
    rig.run(() => rig.collect(0).length === 2);
    assert.deepEqual(rig.completed[0].map(({ bytes }) => bytes[0]), [7, 7]);
  });
});

Deno.test("a request is read in pieces, and gives no more than there is", async () => {
  const seen: number[][] = [];
  const module = serving((request) => {
    seen.push([request.readable, request.writable]);
    seen.push([...request.read(2)], [...request.read(100)], [...request.read()]);
    assert.equal(request.write(Uint8Array.of(1, 2, 3)), 3);
    assert.equal(request.write(Uint8Array.of(4, 5, 6)), 1);
    seen.push([request.readable, request.writable, request.written]);
  });
  await using rig = DeviceRig.create(module, {});
  rig.start();
  const { bytes } = rig.request(0, { readable: [Uint8Array.of(9, 8, 7)], writable: [3, 1] });
  assert.deepEqual(seen, [[3, 4], [9, 8], [7], [], [0, 0, 4]]);
  assert.deepEqual([...bytes], [1, 2, 3, 4]);
});

Deno.test("a request that throws stops the device with its line, and a reset revives it", async () => {
  const module = serving((request) => {
    if (request.read()[0] === 0xee) throw new Error("nobody says 0xee");
  });
  await using rig = DeviceRig.create(module, {}, { id: "adder0" });
  rig.start();
  rig.offer(0, { readable: [Uint8Array.of(0xee)] });
  assert(rig.failure instanceof Error);
  assert.match(
    rig.failure.message,
    /^the device adder0 \(file:\/\/\/home\/me\/device\.ts\): request threw nobody says 0xee/,
  );
  rig.reset();
  rig.start();
  assert.equal(rig.request(0, { readable: [Uint8Array.of(1)] }).written, 0);
});

Deno.test("a request can't be asynchronous", async () => {
  const request = () => Promise.resolve() as never;
  await using rig = DeviceRig.create(serving(request), {});
  rig.start();
  rig.offer(0, { readable: [Uint8Array.of(1)] });
  assert.match(String(rig.failure), /a request can't be asynchronous/);
});

Deno.test("the device's other methods are called when their time comes", async () => {
  const calls: unknown[] = [];
  const module = moduleOf(defineVirtioDevice({
    type: 1,
    features: 5n,
    queues: [8],
    open: () => ({
      request() {},
      start: (features) => calls.push(["start", features & 7n]),
      stop: () => calls.push("stop"),
      reset: () => calls.push("reset"),
      configWritten: () => calls.push("configWritten"),
      command: (name, argument) => ({ name, argument }),
      save: () => ({ version: 1, calls: calls.length }),
      restore: (state) => calls.push(["restore", state.calls]),
      close: () => calls.push("close"),
    }),
  }));
  {
    await using rig = DeviceRig.create(module, {});
    rig.device.restore?.({ version: 1, calls: 9 });
    rig.start({ features: 4n });
    rig.device.configWritten?.();
    assert.deepEqual(rig.command("say", [1]), { name: "say", argument: [1] });
    assert.deepEqual(rig.device.save?.(), { version: 1, calls: 3 });
    rig.reset();
  }
  assert.deepEqual(calls, [
    ["restore", 9],
    ["start", 4n],
    "configWritten",
    "stop",
    "reset",
    "close",
  ]);
});

Deno.test("a device without commands or state has none", async () => {
  await using rig = DeviceRig.create(adder, {});
  const { command, save, restore } = rig.device;
  assert.deepEqual([command, save, restore], [undefined, undefined, undefined]);
});

Deno.test("what a definition can't be is refused with the device's name", () => {
  const good = { type: 1, queues: [8], open: () => ({ request() {} }) };
  const wrong: [Partial<VirtioDeviceDefinition>, RegExp][] = [
    [{ type: 0 }, /type: it is a whole number from 1 to 61375/],
    [{ queues: [] }, /queues: it lists 1 to 64 sizes, powers of two/],
    [{ queues: [12] }, /queues: /],
    [{ features: 1n << 32n }, /features: .* belong to queues and transports/],
    [{ config: new Uint8Array(1025) }, /config: it is a Uint8Array of at most 1024 bytes/],
    [{ writableConfig: [{ offset: 0, size: 1 }] }, /writableConfig: it lists ranges inside/],
    [{ metrics: ["a", "a"] }, /metrics: it lists names, none of them twice/],
    [{
      queues: () => {
        throw new Error("boom");
      },
    }, /Error: boom/],
  ];
  for (const [part, message] of wrong) {
    const create = () => DeviceRig.create(moduleOf({ ...good, ...part }), {}, { id: "d0" });
    assert.throws(create, (error: unknown) => {
      assert(error instanceof DeviceError);
      assert.match(error.message, /^the device d0 \(file:/);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("open that throws, or gives no handler, is told with the device's name", () => {
  const throwing = () => {
    throw new Error("boom");
  };
  for (
    const [open, message] of [
      [throwing, /the device device0 \(.*\): open threw Error: boom/],
      [() => ({}) as never, /open did not give an object with the method request/],
    ] as const
  ) {
    const module = moduleOf({ type: 1, queues: [8], open });
    assert.throws(() => DeviceRig.create(module, {}), message);
  }
});

Deno.test("a user's device stands hostile drivers", async () => {
  await fuzzDevice({
    module: adder,
    options: {},
    neighbour: {},
    requestGenerator: (random) => ({
      queue: random.below(2),
      readable: [new Uint8Array(random.length(100_000))],
      writable: [random.length(100_000)],
    }),
  });
});
