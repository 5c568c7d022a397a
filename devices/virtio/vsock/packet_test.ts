import assert from "node:assert/strict";
import fc from "fast-check";
import { GuestMemory } from "../../../src/memory/mod.ts";
import { DescriptorChain } from "../queue/mod.ts";
import * as packet from "./packet.ts";
import { parseConnect } from "./handshake.ts";
import { parsePacket, wireHeader } from "./testing/wire.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const cid = fc.integer({ min: 0, max: 2 ** 53 - 1 });
const PACKETS = fc.record({
  sourceCid: cid,
  destinationCid: cid,
  sourcePort: u32,
  destinationPort: u32,
  length: u32,
  type: u16,
  op: u16,
  flags: u32,
  bufAlloc: u32,
  fwdCnt: u32,
}, { noNullPrototype: true });
/** The places at which a header is cut into pieces. */
const CUTS = fc.array(fc.integer({ min: 0, max: 44 }), { maxLength: 5 });

/** A chain over 44 bytes at 0x1000, in pieces that lie apart, after what the device reads if it writes them. */
function pieces(cuts: readonly number[], readable: boolean): DescriptorChain {
  const chain = new DescriptorChain(8);
  const bounds = [0, ...[...cuts].sort((a, b) => a - b), 44];
  for (let i = 1; i < bounds.length; i++) {
    chain.addresses[chain.count] = 0x1000 * i + bounds[i - 1];
    chain.lengths[chain.count] = bounds[i] - bounds[i - 1];
    chain.count++;
  }
  if (readable) {
    chain.readableCount = chain.count;
    chain.readableBytes = 44;
  } else chain.writableBytes = 44;
  return chain;
}

Deno.test("a header is read the same from one piece and from many", () => {
  fc.assert(fc.property(PACKETS, CUTS, (fields, cuts) => {
    const memory = GuestMemory.forTest(0x10000);
    const chain = pieces(cuts, true);
    const bytes = wireHeader(fields);
    let at = 0;
    for (let i = 0; i < chain.count; i++) {
      memory.write(chain.addresses[i], bytes.subarray(at, at += chain.lengths[i]));
    }
    const header = new packet.PacketHeader();
    assert(header.read(memory, chain));
    const { bufferSize, forwarded, ...same } = {
      sourceCid: header.sourceCid,
      destinationCid: header.destinationCid,
      sourcePort: header.sourcePort,
      destinationPort: header.destinationPort,
      length: header.length,
      type: header.type,
      op: header.op,
      flags: header.flags,
      bufferSize: header.bufferSize,
      forwarded: header.forwarded,
    };
    assert.deepEqual({ ...same, bufAlloc: bufferSize, fwdCnt: forwarded }, fields);
  }));
});

Deno.test("a header is written the same into one piece and into many", () => {
  fc.assert(fc.property(PACKETS, CUTS, (fields, cuts) => {
    const memory = GuestMemory.forTest(0x10000);
    const chain = pieces(cuts, false);
    const header = new packet.PacketHeader();
    const { bufAlloc, fwdCnt, ...same } = fields;
    Object.assign(header, same, { bufferSize: bufAlloc, forwarded: fwdCnt, length: 0 });
    header.write(memory, chain);
    const bytes = new Uint8Array(44);
    let at = 0;
    for (let i = 0; i < chain.count; i++) {
      memory.read(chain.addresses[i], bytes.subarray(at, at += chain.lengths[i]));
    }
    const { payload: _, ...parsed } = parsePacket(bytes);
    assert.deepEqual(parsed, { ...fields, length: 0 });
  }));
});

/** What the C compiler says of linux/virtio_vsock.h. */
async function compiled(): Promise<Record<string, number>> {
  const directory = await Deno.makeTempDir();
  const numbers = {
    size: "sizeof(struct virtio_vsock_hdr)",
    event: "sizeof(struct virtio_vsock_event)",
    config: "sizeof(struct virtio_vsock_config)",
    ...Object.fromEntries(
      [
        "src_cid",
        "dst_cid",
        "src_port",
        "dst_port",
        "len",
        "type",
        "op",
        "flags",
        "buf_alloc",
        "fwd_cnt",
      ].map((field) => [field, `offsetof(struct virtio_vsock_hdr, ${field})`]),
    ),
    ...Object.fromEntries(
      [
        "VIRTIO_VSOCK_OP_REQUEST",
        "VIRTIO_VSOCK_OP_RESPONSE",
        "VIRTIO_VSOCK_OP_RST",
        "VIRTIO_VSOCK_OP_SHUTDOWN",
        "VIRTIO_VSOCK_OP_RW",
        "VIRTIO_VSOCK_OP_CREDIT_UPDATE",
        "VIRTIO_VSOCK_OP_CREDIT_REQUEST",
        "VIRTIO_VSOCK_SHUTDOWN_RCV",
        "VIRTIO_VSOCK_SHUTDOWN_SEND",
        "VIRTIO_VSOCK_TYPE_STREAM",
        "VIRTIO_VSOCK_EVENT_TRANSPORT_RESET",
        "VMADDR_CID_HOST",
        "VMADDR_PORT_ANY",
        "VIRTIO_ID_VSOCK",
      ].map((name) => [name, name]),
    ),
  };
  const lines = Object.entries(numbers).map(([name, value]) =>
    `  printf("${name} %lld\\n", (long long)(${value}));`
  );
  const source = [
    "#include <stdio.h>",
    "#include <stddef.h>",
    "#include <sys/socket.h>",
    "#include <linux/virtio_vsock.h>",
    "#include <linux/vm_sockets.h>",
    "#include <linux/virtio_ids.h>",
    `int main(void) {\n${lines.join("\n")}\n}`,
  ];
  try {
    await Deno.writeTextFile(`${directory}/a.c`, source.join("\n"));
    const args = ["-o", `${directory}/a`, `${directory}/a.c`];
    const build = await new Deno.Command("gcc", { args }).output();
    assert(build.success, new TextDecoder().decode(build.stderr));
    const { stdout } = await new Deno.Command(`${directory}/a`).output();
    const pairs = new TextDecoder().decode(stdout).trim().split("\n").map((line) =>
      line.split(" ")
    );
    return Object.fromEntries(pairs.map(([name, value]) => [name, Number(value)]));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("the packets are those of the kernel's headers", async () => {
  const c = await compiled();
  assert.equal(packet.HEADER_SIZE, c.size);
  assert.equal(packet.EVENT_SIZE, c.event);
  assert.equal(c.config, 8);
  const fields = {
    sourceCid: "src_cid",
    destinationCid: "dst_cid",
    sourcePort: "src_port",
    destinationPort: "dst_port",
    length: "len",
    type: "type",
    op: "op",
    flags: "flags",
    bufferSize: "buf_alloc",
    forwarded: "fwd_cnt",
  } as const;
  // A header whose every byte says where it is shows where each field is read from.
  const memory = GuestMemory.forTest(0x10000);
  memory.write(0x1000, Uint8Array.from({ length: 44 }, (_, i) => i));
  // More than 53 bits of a context id are no exact number.
  for (const at of [0x1006, 0x100e]) memory.writeU16(at, 0);
  const header = new packet.PacketHeader();
  assert(header.read(memory, pieces([], true)));
  for (const [field, name] of Object.entries(fields)) {
    assert.equal(header[field as keyof typeof fields] % 256, c[name], name);
  }
  assert.deepEqual({ ...packet.Op }, {
    request: c.VIRTIO_VSOCK_OP_REQUEST,
    response: c.VIRTIO_VSOCK_OP_RESPONSE,
    reset: c.VIRTIO_VSOCK_OP_RST,
    shutdown: c.VIRTIO_VSOCK_OP_SHUTDOWN,
    data: c.VIRTIO_VSOCK_OP_RW,
    creditUpdate: c.VIRTIO_VSOCK_OP_CREDIT_UPDATE,
    creditRequest: c.VIRTIO_VSOCK_OP_CREDIT_REQUEST,
  });
  assert.equal(packet.Shutdown.receive, c.VIRTIO_VSOCK_SHUTDOWN_RCV);
  assert.equal(packet.Shutdown.send, c.VIRTIO_VSOCK_SHUTDOWN_SEND);
  assert.equal(packet.TYPE_STREAM, c.VIRTIO_VSOCK_TYPE_STREAM);
  assert.equal(packet.EVENT_TRANSPORT_RESET, c.VIRTIO_VSOCK_EVENT_TRANSPORT_RESET);
  assert.equal(packet.HOST_CID, c.VMADDR_CID_HOST);
  assert.equal(packet.PORT_ANY, c.VMADDR_PORT_ANY >>> 0);
  assert.equal(c.VIRTIO_ID_VSOCK, 19);
});

Deno.test("a line asks for a port, or for nothing at all", () => {
  fc.assert(fc.property(u32.filter((port) => port !== 0xffff_ffff), (port) => {
    assert.equal(parseConnect(`CONNECT ${port}`), port);
  }));
  fc.assert(fc.property(fc.string(), (line) => {
    const port = parseConnect(line);
    assert(port === undefined || /^\s*connect\s/i.test(line) && port >= 0 && port < 0xffff_ffff);
  }));
});
