import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connectUdp, inetAddress, type Ipv4, netmask, read, SysError, writeAll } from "./mod.ts";

const LOCALHOST: Ipv4 = [127, 0, 0, 1];

Deno.test("a datagram goes to its address, and an answer comes back", async () => {
  const peer = createSocket("udp4");
  peer.bind(0, LOCALHOST.join("."));
  await once(peer, "listening");
  using socket = connectUdp(LOCALHOST, peer.address().port);
  const into = new Uint8Array(16);
  assert.throws(() => read(socket.raw, into, "early"), (error) => {
    return error instanceof SysError && error.code === "EAGAIN";
  });
  const arrived = once(peer, "message");
  writeAll(socket.raw, Uint8Array.of(1, 2, 3), "question");
  const [text, { port }] = await arrived;
  assert.deepEqual([...text], [1, 2, 3]);
  await new Promise<void>((sent) => peer.send("answer", port, LOCALHOST.join("."), () => sent()));
  assert.equal(
    new TextDecoder().decode(into.subarray(0, read(socket.raw, into, "answer"))),
    "answer",
  );
  peer.close();
  await once(peer, "close");
});

Deno.test("an address without a way to it is an error that names it", () => {
  assert.throws(() => connectUdp([255, 255, 255, 255], 7), {
    name: "SysError",
    message: /255\.255\.255\.255:7/,
  });
});

Deno.test("an address is written in the network's order", () => {
  assert.deepEqual(
    [...inetAddress([198, 18, 1, 2], 0x1234)],
    [2, 0, 0x12, 0x34, 198, 18, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0],
  );
  for (const wrong of [[256, 0, 0, 1], [-1, 0, 0, 1], [1.5, 0, 0, 1]] as const) {
    assert.throws(() => inetAddress(wrong, 0), RangeError);
  }
  for (const port of [-1, 65536, 0.5]) {
    assert.throws(() => inetAddress(LOCALHOST, port), RangeError);
  }
});

Deno.test("a network's mask has as many ones as its addresses have bits in common", () => {
  for (
    const [bits, mask] of [
      [0, "0.0.0.0"],
      [7, "254.0.0.0"],
      [8, "255.0.0.0"],
      [20, "255.255.240.0"],
      [30, "255.255.255.252"],
      [32, "255.255.255.255"],
    ] as const
  ) assert.equal(netmask(bits).join("."), mask);
});
