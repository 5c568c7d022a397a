import assert from "node:assert/strict";
import {
  EAGAIN,
  Fd,
  IFF_MULTI_QUEUE,
  IFF_UP,
  IFF_VNET_HDR,
  interfaceAddress,
  interfaceFlags,
  interfaceMtu,
  O_RDWR,
  openTap,
  readv,
  setInterfaceIpv4,
  setInterfaceMtu,
  setInterfaceUp,
  setTapCarrier,
  setTapOffloads,
  setTapPersistent,
  SysError,
  tapFeatures,
  TUN_F_CSUM,
  TUN_F_TSO4,
  TUN_F_TSO6,
  useTapQueue,
  writev,
} from "./mod.ts";
import { Buffers, openDescriptors } from "./test_files.ts";

function canOpenTaps(): boolean {
  try {
    openTap({ name: "", multiQueue: false, headerSize: 12 }).fd.close();
    return true;
  } catch (error) {
    if (error instanceof SysError && ["ENOENT", "EPERM", "EACCES"].includes(error.code)) {
      return false;
    }
    throw error;
  }
}

const ignore = !canOpenTaps();
const needs = ignore ? " (needs /dev/net/tun and CAP_NET_ADMIN)" : "";
const code = (expected: string) => (error: unknown) => {
  assert(error instanceof SysError, String(error));
  assert.equal(error.code, expected, error.message);
  return true;
};

Deno.test(`a tap takes packets with a header before them and gives the host's back${needs}`, {
  ignore,
}, () => {
  const before = openDescriptors();
  {
    const tap = openTap({ name: "dvtest%d", multiQueue: false, headerSize: 12 });
    using fd = tap.fd;
    assert.match(tap.name, /^dvtest\d+$/);
    assert.equal(tapFeatures(fd.raw) & IFF_VNET_HDR, IFF_VNET_HDR);
    setTapOffloads(fd.raw, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
    assert.throws(() => setTapOffloads(fd.raw, 0x4000_0000), code("EINVAL"));
    assert.equal(interfaceMtu(tap.name), 1500);
    setInterfaceMtu(tap.name, 1400);
    assert.equal(interfaceMtu(tap.name), 1400);
    const address = interfaceAddress(tap.name);
    assert.equal(address.length, 6);
    assert(address.some((byte) => byte !== 0));

    const buffers = new Buffers(2048);
    const { vectors } = buffers;
    buffers.point([0, 12], [12, 60]);
    assert.equal(interfaceFlags(tap.name) & IFF_UP, 0);
    setInterfaceUp(tap.name, true);
    assert.equal(interfaceFlags(tap.name) & IFF_UP, IFF_UP);
    // An Ethernet frame to everybody, of an experimental type (0x88b5).
    buffers.bytes.fill(0);
    buffers.bytes.fill(0xff, 12, 18);
    buffers.bytes.set([2, 0, 0, 0, 0, 1, 0x88, 0xb5], 18);
    assert.equal(writev(fd.raw, vectors, 2), 72);
    const received = Deno.readTextFileSync(`/sys/class/net/${tap.name}/statistics/rx_bytes`);
    assert.equal(Number(received), 60);

    // The host itself sends something once the interface is up, such as IPv6 neighbour discovery; all of it has
    // a header of 12 bytes and an Ethernet header.
    buffers.point([0, 2048]);
    const length = readv(fd.raw, vectors, 1);
    assert(length === -EAGAIN || length >= 12 + 14, String(length));

    const carrier = () => Deno.readTextFileSync(`/sys/class/net/${tap.name}/carrier`).trim();
    assert.equal(carrier(), "1");
    setTapCarrier(fd.raw, false);
    assert.equal(carrier(), "0");
    setTapCarrier(fd.raw, true);
    assert.equal(carrier(), "1");
    setInterfaceUp(tap.name, false);
  }
  assert.equal(openDescriptors(), before);
});

Deno.test(`a tap has several queues, each in or out of use${needs}`, { ignore }, () => {
  const first = openTap({ name: "dvtest%d", multiQueue: true, headerSize: 12 });
  using one = first.fd;
  assert.equal(tapFeatures(one.raw) & IFF_MULTI_QUEUE, IFF_MULTI_QUEUE);
  using two = openTap({ name: first.name, multiQueue: true, headerSize: 12 }).fd;
  useTapQueue(two.raw, false);
  assert.throws(() => useTapQueue(two.raw, false), code("EINVAL"));
  useTapQueue(two.raw, true);
  assert.throws(
    () => openTap({ name: first.name, multiQueue: false, headerSize: 12 }),
    code("EINVAL"),
  );
});

Deno.test(
  `a tap that is in use or missing, or a bad name, is told apart${needs}`,
  { ignore },
  () => {
    const before = openDescriptors();
    {
      const tap = openTap({ name: "dvtest%d", multiQueue: false, headerSize: 12 });
      using _fd = tap.fd;
      const again = () => openTap({ name: tap.name, multiQueue: false, headerSize: 12 });
      assert.throws(again, code("EBUSY"));
      assert.throws(
        () => openTap({ name: "lo", multiQueue: false, headerSize: 12 }),
        code("EINVAL"),
      );
      assert.throws(() => interfaceMtu("dvtest-none"), code("ENODEV"));
      assert.throws(() => setInterfaceMtu(tap.name, 5), code("EINVAL"));
      assert.throws(() => interfaceMtu("x".repeat(16)), /at most 15 bytes/);
    }
    assert.equal(openDescriptors(), before);
  },
);

Deno.test(
  `a persistent tap outlives its descriptor until it is told not to${needs}`,
  { ignore },
  () => {
    const first = openTap({ name: "dvtest%d", multiQueue: false, headerSize: 10 });
    const { name } = first;
    setTapPersistent(first.fd.raw, true);
    first.fd.close();
    try {
      assert.equal(interfaceMtu(name), 1500);
    } finally {
      const again = openTap({ name, multiQueue: false, headerSize: 10 });
      setTapPersistent(again.fd.raw, false);
      again.fd.close();
    }
    assert.throws(() => interfaceMtu(name), code("ENODEV"));
  },
);

Deno.test("requests of a tap to what is none fail", () => {
  using fd = Fd.open("/dev/null", O_RDWR);
  for (const request of [tapFeatures, (raw: number) => setTapOffloads(raw, 0)]) {
    assert.throws(() => request(fd.raw), code("ENOTTY"));
  }
});

Deno.test(`an interface with an address is the way to those around it${needs}`, { ignore }, () => {
  const { name, fd } = openTap({ name: "dvtest%d", multiQueue: false, headerSize: 12 });
  using _close = fd;
  setInterfaceIpv4(name, [198, 19, 255, 253], 30);
  setInterfaceUp(name, true);
  const routes = Deno.readTextFileSync("/proc/net/route").split("\n")
    .map((line) => line.split("\t")).filter(([of]) => of === name);
  // Destination and mask, as proc(5) has them: in the order of this host's bytes.
  assert.deepEqual(routes.map((fields) => [fields[1], fields[7]]), [["FCFF13C6", "FCFFFFFF"]]);
  assert.throws(() => setInterfaceIpv4("dvnowhere", [198, 19, 255, 253], 30), code("ENODEV"));
});
