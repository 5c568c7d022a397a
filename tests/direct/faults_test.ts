/**
 * Guests whose disk, network and source of entropy fail as their machine is told.
 * @module
 */
import assert from "node:assert/strict";
import { CAN_MAKE_TAPS, HostSocket, TestTap } from "../../devices/virtio/net/testing/taps.ts";
import { randomBytes } from "../../src/cli/self_test/judges/devices.ts";
import type { Machine } from "../../src/machine/mod.ts";
import { nativeMachine, testNative } from "./native_machine.ts";
import { outcome, PATIENCE_MS, patiently, printed } from "./payload_machine.ts";

const MAC = "52:54:00:12:34:56";
const ECHO_PORT = 7;
/** Long enough for whatever was to happen at once. */
const MOMENT_MS = 300;
/** What taps need; a name that no command has, so that a test is ignored for it. */
const needs = CAN_MAKE_TAPS ? [] : ["permission to make taps"];

function moment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, MOMENT_MS));
}

function device(machine: Machine, id: string) {
  const found = machine.devices.get(id);
  assert(found !== undefined, `the machine has a device ${id}`);
  return found;
}

testNative(
  "a disk's faults reach the guest's driver, and end when they are switched off",
  async (way) => {
    const stall = { action: "stall", op: "read", sectors: [300, 301] } as const;
    const disks = [{
      memory: "1M",
      faults: [
        { action: "error", sectors: [100, 100] },
        { action: "lie", op: "write", sectors: [200, 200] },
        stall,
      ],
    }] as const;
    await using machine = await nativeMachine("disk_faults", way, { disks }, { event_idx: 1 });
    machine.start();
    const before = await printed(machine, "waiting\n");
    const statuses = ["good=0", "bad=1", "across=1", "flush=0", "lie=0", "back=0", "byte=0"];
    assert.equal(before, statuses.map((line) => `${line}\n`).join("") + "waiting\n");
    const disk = device(machine, "disk0");
    await moment();
    const { faults_failed, faults_lied, faults_stalled, reads } = disk.metrics;
    assert.deepEqual({ faults_failed, faults_lied, faults_stalled, reads }, {
      ...{ faults_failed: 2, faults_lied: 1, faults_stalled: 1, reads: 3 },
    });
    // The request that waits is let go, and the next one has to wait: the guest leaves meanwhile.
    const second = { ...stall, sectors: [301, 301] };
    const shown = await disk.command("faults", [second]);
    assert.deepEqual(shown, [{ ...second, seen: 0, hits: 0 }]);
    const { end, console } = await outcome(machine);
    assert.deepEqual(end, { kind: "exit", status: 0 }, console);
    assert.equal(console, "stalled=0\ndone\n");
    assert.equal(disk.metrics.faults_stalled, 2);
  },
);

testNative("a machine pauses and ends while requests of its disk stall", async (way) => {
  const disks = [{
    memory: "1M",
    faults: [{ action: "stall", op: "read", sectors: [300, 300] }],
  }] as const;
  const until = async (machine: Machine) => {
    machine.start();
    await printed(machine, "waiting\n");
  };
  {
    await using machine = await nativeMachine("disk_faults", way, { disks });
    await until(machine);
    await machine.pause();
    machine.resume();
    const { end, console } = await outcome(machine);
    assert.deepEqual(end, { kind: "exit", status: 0 }, console);
    assert.equal(console, "stalled=0\ndone\n", "a pause has it done");
  }
  await using machine = await nativeMachine("disk_faults", way, { disks });
  await until(machine);
});

testNative("a guest waits for entropy while its source is dry", async (way) => {
  const rng = { faults: [{ action: "dry", after: 3 }] } as const;
  await using machine = await nativeMachine("entropy", way, { rng }, { event_idx: 1 });
  machine.start();
  const source = device(machine, "rng");
  const end = performance.now() + PATIENCE_MS;
  while (source.metrics.faults_dry === 0) {
    assert(performance.now() < end, "the guest asks for as much");
    await moment();
  }
  await moment();
  assert.equal(source.metrics.requests, 3);
  assert.deepEqual(await source.command("faults", []), []);
  await patiently(machine, () => randomBytes(machine));
});

testNative(
  "a guest's datagrams are lost and late as its network is told",
  async (way) => {
    using tap = new TestTap();
    await using host = await HostSocket.bind(tap.hostIp);
    const ip = tap.guestIp.split(".").reduce((number, byte) => number * 256 + Number(byte), 0);
    const nets = [{ tap: tap.name, mac: MAC }];
    await using machine = await nativeMachine("net", way, { nets }, { ip });
    machine.start();
    await printed(machine, "ready\n");
    tap.awaitLink();
    const card = device(machine, "net0");
    const echoed = async (count: number, ms: number) => {
      host.received.length = 0;
      for (let i = 0; i < count; i++) await host.send(Uint8Array.of(i), ECHO_PORT, tap.guestIp);
      const end = performance.now() + ms;
      while (host.received.length < count && performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return host.received.length;
    };
    assert.equal(await echoed(20, PATIENCE_MS), 20);
    await card.command("faults", [{ direction: "rx", drop: 0.5, seed: 9 }]);
    const some = await echoed(40, 3000);
    assert(some > 8 && some < 32, `${some} of 40 came back`);
    assert.equal(card.metrics.faults_dropped, 40 - some);
    await card.command("faults", [{ direction: "tx", down: true }]);
    assert.equal(await echoed(5, MOMENT_MS), 0);
    await card.command("faults", [{ delay: 100 }]);
    const began = performance.now();
    assert.equal(await echoed(3, PATIENCE_MS), 3);
    assert(performance.now() - began >= 199, "there and back");
    await card.command("faults", []);
    assert.equal(await echoed(20, PATIENCE_MS), 20);
    await host.send(new TextEncoder().encode("end"), ECHO_PORT, tap.guestIp);
    const { end, console } = await outcome(machine);
    assert.deepEqual(end, { kind: "exit", status: 0 }, console);
  },
  needs,
);
