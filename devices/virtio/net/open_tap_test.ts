/**
 * Cards that can't be made, and what their users are told.
 * @module
 */
import assert from "node:assert/strict";
import { readDevice } from "../../read_options.ts";
import { DeviceRig } from "../testing/rig.ts";
import { hasFeature } from "../features.ts";
import { VIRTIO_NET_F_CSUM, VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_MTU } from "./features.ts";
import { net } from "./mod.ts";
import { CAN_MAKE_TAPS, TestTap } from "./testing/taps.ts";
import { NET_OPTIONS } from "./options.ts";

const ignore = !CAN_MAKE_TAPS;

function exists(tap: string): boolean {
  try {
    Deno.statSync(`/sys/class/net/${tap}`);
    return true;
  } catch {
    return false;
  }
}

Deno.test({
  name: "a tap that doesn't exist is made and set up, and ends with its card",
  ignore,
  async fn() {
    const tap = `nvx${Deno.pid.toString(36)}`;
    {
      await using rig = DeviceRig.create(net, `${tap},queues=2`);
      const flags = Number(Deno.readTextFileSync(`/sys/class/net/${tap}/flags`));
      assert.equal(flags & 1, 1, "it is up");
      rig.start();
    }
    assert(!exists(tap));
  },
});

Deno.test({
  name: "a card that is made without offloads offers none, and one with them the kernel's",
  ignore,
  async fn() {
    using tap = new TestTap();
    {
      await using rig = DeviceRig.create(net, `${tap.name},offload=off,mtu=9000`);
      assert(!hasFeature(rig.description.features, VIRTIO_NET_F_CSUM));
      assert(hasFeature(rig.description.features, VIRTIO_NET_F_MTU));
      rig.start();
    }
    await using rig = DeviceRig.create(net, { tap: tap.name });
    assert(hasFeature(rig.description.features, VIRTIO_NET_F_CSUM));
    assert(!hasFeature(rig.description.features, VIRTIO_NET_F_MTU));
    const [major, minor] = Deno.osRelease().split(".").map(Number);
    const uso = major > 6 || (major === 6 && minor >= 2);
    assert.equal(hasFeature(rig.description.features, VIRTIO_NET_F_HOST_USO), uso);
    rig.start();
    assert.equal(rig.failure, undefined);
  },
});

Deno.test({
  name: "a tap that is in use is refused, with one queue and with several",
  ignore,
  async fn() {
    for (const multiQueue of [false, true]) {
      using tap = new TestTap({ multiQueue });
      await using _first = DeviceRig.create(net, { tap: tap.name, queues: multiQueue ? 2 : 1 });
      for (const queues of multiQueue ? [1, 2] : [1]) {
        assert.throws(() => DeviceRig.create(net, { tap: tap.name, queues }), {
          name: "DeviceError",
          message: `tap "${tap.name}" is in use by another program; give each machine its own`,
        });
      }
    }
  },
});

Deno.test({
  name: "several pairs need a tap that was made for them, and one pair takes any",
  ignore,
  async fn() {
    using single = new TestTap();
    assert.throws(
      () => DeviceRig.create(net, { tap: single.name, queues: 2 }),
      /was made for one queue, not 2: .*"ip tuntap add dev \w+ mode tap multi_queue"/,
    );
    using multiple = new TestTap({ multiQueue: true });
    await using rig = DeviceRig.create(net, { tap: multiple.name });
    rig.start();
    assert.equal(rig.failure, undefined);
  },
});

Deno.test({
  name: "interfaces that are no taps are refused",
  ignore,
  fn() {
    assert.throws(() => DeviceRig.create(net, { tap: "lo" }), /"lo" is no tap interface/);
    const tun = `nvy${Deno.pid.toString(36)}`;
    const ip = (...args: string[]) => assert(new Deno.Command("ip", { args }).outputSync().success);
    ip("tuntap", "add", "dev", tun, "mode", "tun");
    try {
      assert.throws(() => DeviceRig.create(net, { tap: tun }), /is a tun interface/);
    } finally {
      ip("link", "del", tun);
    }
  },
});

Deno.test({
  name: "a user without permission is told how to get it",
  ignore: ignore || !hasSetpriv(),
  async fn() {
    const tap = `nvz${Deno.pid.toString(36)}`;
    const code = `
      import { DeviceRig } from "${import.meta.resolve("../testing/rig.ts")}";
      import { net } from "${import.meta.resolve("./mod.ts")}";
      try { DeviceRig.create(net, { tap: "${tap}" }); } catch (error) { console.log(error.message); }
    `;
    const args = [
      ...["--bounding-set=-net_admin", "--inh-caps=-net_admin", Deno.execPath()],
      ...["eval", "--no-check", code],
    ];
    const { stdout } = await new Deno.Command("setpriv", { args }).output();
    assert.match(
      new TextDecoder().decode(stdout),
      new RegExp(`needs CAP_NET_ADMIN, .*"ip tuntap add dev ${tap} mode tap user NAME"`),
    );
  },
});

function hasSetpriv(): boolean {
  try {
    return new Deno.Command("setpriv", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
}

Deno.test("misspelt and impossible properties are named", () => {
  const wrong: [string, RegExp][] = [
    ["mac=52:54:00:12:34:56", /tap: it is required/],
    ["tap=much-too-long-name", /tap: it is an interface's name, of at most 15 bytes/],
    ["tap=a/b", /tap: it is an interface's name, without/],
    ["tap0,mac=01:00:5e:00:00:01", /mac: it is one card's address/],
    ["tap0,mac=52:54:00:12:34", /mac: it is six bytes/],
    ["tap0,mac=00:00:00:00:00:00", /mac: it is one card's address/],
    ["tap0,mtu=67", /mtu: it is a whole number from 68 to 65535/],
    ["tap0,queues=0", /queues: it is a whole number from 1 to 16/],
    ["tap0,offload=maybe", /offload: it is on or off/],
    ["tap0,tx-iop=5", /did you mean tx-iops\?/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(() => readDevice(NET_OPTIONS, text), message, text);
  }
  const { values } = readDevice(
    NET_OPTIONS,
    "tap=tap0,mac=52-54-00-AB-CD-EF,queues=4,rx-bandwidth=1M/s",
  );
  assert.equal(values.tap, "tap0");
  assert.equal(values.mac, "52:54:00:ab:cd:ef");
  assert.equal(values.offload, true);
  assert.equal(values["rx-bandwidth"], 2 ** 20);
});
