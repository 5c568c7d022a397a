/**
 * What the socket device costs: 16 MiB in each direction and 200 round trips of 64 bytes, from a driver's queues
 * through its core to a Unix socket, beside the same over a pair of Unix sockets with nothing between.
 *
 * Everything runs in one isolate and one thread, both ends among it; the driver is as lean as can be.
 * @module
 */
import { socketPair } from "../src/ffi/mod.ts";
import { HostEnd, PACKET, VsockMachine } from "./vsock_machine.ts";

const TOTAL = 16 << 20;
const ROUND_TRIPS = 200;
const PING = 64;

const [a, b] = socketPair("the bench");
const near = new HostEnd(a.raw);
const far = new HostEnd(b.raw);
const directory = Deno.makeTempDirSync({ prefix: "vsock" });
const small = new VsockMachine(directory, 4096 - 44);
const large = new VsockMachine(directory, PACKET);
Deno.removeSync(directory, { recursive: true });

/** Moves 16 MiB from a writer to a reader; `between` is what has to happen for that. */
function pump(write: (length: number) => number, read: () => number, between: () => void): void {
  let written = 0;
  let done = 0;
  while (done < TOTAL) {
    if (written < TOTAL) written += Math.max(0, write(Math.min(PACKET, TOTAL - written)));
    between();
    done += Math.max(0, read());
  }
}

function sendToHost(machine: VsockMachine): void {
  const write = (length: number) => {
    if (!machine.maySend(length)) return 0;
    machine.send(length);
    return length;
  };
  pump(write, () => machine.host.read(), () => machine.turn());
}

function sendToGuest(machine: VsockMachine): void {
  let seen = machine.received;
  const read = () => {
    const news = machine.received - seen;
    seen = machine.received;
    return news;
  };
  pump((length) => machine.host.write(length), read, () => machine.turn());
  machine.giveCredit();
}

function bounce(machine: VsockMachine): void {
  for (let i = 0; i < ROUND_TRIPS; i++) {
    const before = machine.received;
    machine.send(PING);
    while (machine.host.read() < 0) machine.turn();
    machine.host.write(PING);
    while (machine.received === before) machine.turn();
  }
}

function bouncePair(): void {
  for (let i = 0; i < ROUND_TRIPS; i++) {
    near.write(PING);
    far.read();
    far.write(PING);
    near.read();
  }
}

const throughput = { group: "16 MiB" };
Deno.bench("16 MiB, a pair of sockets", { ...throughput, baseline: true }, () => {
  pump((length) => near.write(length), () => far.read(), () => {});
});
Deno.bench("16 MiB from guest to host", throughput, () => sendToHost(small));
Deno.bench("16 MiB to a guest, buffers of 4 KiB", throughput, () => sendToGuest(small));
Deno.bench("16 MiB to a guest, buffers of 64 KiB", throughput, () => sendToGuest(large));

const latency = { group: "round trips" };
Deno.bench("200 round trips, a pair of sockets", { ...latency, baseline: true }, bouncePair);
Deno.bench("200 round trips, guest to host and back", latency, () => bounce(small));
