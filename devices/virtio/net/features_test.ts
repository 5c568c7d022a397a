import assert from "node:assert/strict";
import fc from "fast-check";
import { openTap, setTapOffloads } from "../../../src/ffi/mod.ts";
import { bit } from "../features.ts";
import * as features from "./features.ts";
import { formatMac, isCardAddress, machineMac, parseMac } from "./mac.ts";
import { CAN_MAKE_TAPS, TestTap } from "./testing/taps.ts";
import { probeOffloads } from "./open_tap.ts";

const GUEST = [
  features.VIRTIO_NET_F_GUEST_CSUM,
  features.VIRTIO_NET_F_GUEST_TSO4,
  features.VIRTIO_NET_F_GUEST_TSO6,
  features.VIRTIO_NET_F_GUEST_ECN,
  features.VIRTIO_NET_F_GUEST_USO4,
  features.VIRTIO_NET_F_GUEST_USO6,
];

Deno.test({
  name: "the kernel takes what it is told of any set of offloads that a driver may take",
  ignore: !CAN_MAKE_TAPS,
  fn() {
    using tap = new TestTap();
    using fd = openTap({ name: tap.name, multiQueue: false, headerSize: 12 }).fd;
    const uso = probeOffloads(fd.raw, tap.name);
    const usable = uso ? GUEST : GUEST.slice(0, 4);
    for (let set = 0; set < 1 << usable.length; set++) {
      const chosen = usable.filter((_, i) => (set >> i & 1) !== 0);
      const offloads = chosen.reduce((bits, feature) => bits | bit(feature), 0n);
      setTapOffloads(fd.raw, features.tunOffloads(offloads));
    }
    setTapOffloads(fd.raw, features.tunOffloads(features.GUEST_OFFLOADS & (uso ? -1n : 0xffffn)));
  },
});

Deno.test("the numbers of features and offloads are those of the kernel's headers", {
  ignore: !hasHeader(),
}, async () => {
  const names = Object.keys(features).filter((name) => name.startsWith("VIRTIO_NET_F_"));
  const header = await Deno.readTextFile("/usr/include/linux/virtio_net.h");
  let found = 0;
  for (const name of names) {
    const defined = new RegExp(`#define ${name}\\s+(\\d+)`).exec(header);
    // Headers before Linux 6.2 lack those of UDP segmentation.
    if (defined === null) {
      assert.match(name, /USO/);
      continue;
    }
    found++;
    assert.equal(features[name as keyof typeof features], Number(defined[1]), name);
  }
  assert(found >= 17);
});

function hasHeader(): boolean {
  try {
    return Deno.statSync("/usr/include/linux/virtio_net.h").isFile;
  } catch {
    return false;
  }
}

Deno.test("addresses are read and written alike", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (mac) => {
    assert.deepEqual(parseMac(formatMac(mac)), mac);
    assert.deepEqual(parseMac(formatMac(mac).toUpperCase().replaceAll(":", "-")), mac);
  }));
  for (
    const text of ["", "1:2:3:4:5:6", "00:11:22:33:44", "00:11:22:33:44:55:66", "0g:11:22:33:44:55"]
  ) {
    assert.equal(parseMac(text), undefined);
  }
  assert.equal(parseMac("00:11-22:33:44:55"), undefined);
});

Deno.test("a card without an address gets the same one each time, and another gets another", () => {
  fc.assert(fc.property(fc.string(), fc.string(), (id, tap) => {
    const mac = machineMac(id, tap);
    assert(isCardAddress(mac));
    assert.equal(mac[0] & 2, 2, "it is locally administered");
    assert.deepEqual(machineMac(id, tap), mac);
    assert.notDeepEqual(machineMac(`${id}1`, tap), mac);
    assert.notDeepEqual(machineMac(id, `${tap}1`), mac);
  }));
});
